"""Argilla's records, settings and export."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from curate.data.json_types import JsonObject
from curate.verdicts.tool import (
    CHOICES,
    GUIDELINES,
    QUESTION,
    AnnotationTool,
    ReviewVerdict,
    have_all_fields,
    is_first,
    task_hashes,
    task_rows,
    to_review_verdict,
)


class Argilla(AnnotationTool):
    """Argilla 2: records.json and settings.json to load, `dataset.records.to_json` back."""

    name = "argilla"

    def files(self, pairs: pl.DataFrame, first_is_chosen: pl.Series) -> JsonObject:
        """Records, the settings of the data set, and the few lines of Python that load both."""
        records: list[JsonObject] = [
            {
                "id": row["pair_id"],
                "fields": {
                    "prompt": row["prompt"],
                    "answer_a": row["answer_a"],
                    "answer_b": row["answer_b"],
                },
                "metadata": {"order": row["order"], "answers": row["answers"]},
            }
            for row in task_rows(pairs, first_is_chosen)
        ]
        return {"records.json": records, "settings.json": _dataset_settings(), "load.py": _LOAD}

    def matches(self, exported: Any) -> bool:
        """Return whether this is a list of records with responses."""
        return have_all_fields(exported, "fields", "responses")

    def verdicts(self, exported: Any) -> Iterator[ReviewVerdict]:
        """Yield each response to the question."""
        for record in exported:
            metadata = record["metadata"]
            first = is_first(metadata["order"])
            hashes = task_hashes(metadata.get("answers"), first)
            for response in record["responses"].get(QUESTION, ()):
                # A value that we never offered says nothing of the label.
                verdict = to_review_verdict(str(response["value"]), first) or "skip"
                yield ReviewVerdict(
                    str(record["id"]), str(response["user_id"]), verdict, *hashes, True
                )


def _dataset_settings() -> JsonObject:
    """Return the data set's settings in the form of `argilla.Settings.from_json`."""
    text: JsonObject = {"type": "text", "use_markdown": False}
    fields: list[JsonObject] = [
        {"name": "prompt", "title": "Prompt", "required": True, "settings": {"type": "chat"}},
        {"name": "answer_a", "title": "A", "required": True, "settings": text},
        {"name": "answer_b", "title": "B", "required": True, "settings": text},
    ]
    options = [{"value": value, "text": label} for value, label in CHOICES.items()]
    question: JsonObject = {
        "name": QUESTION,
        "title": "Which answer is better?",
        "required": True,
        "settings": {"type": "label_selection", "options": options, "visible_options": 4},
    }
    hidden: list[JsonObject] = [
        {
            "name": name,
            "title": name,
            "visible_for_annotators": False,
            "settings": {"type": "terms", "visible_for_annotators": False},
        }
        for name in ("order", "answers")
    ]
    return {
        "guidelines": GUIDELINES,
        "fields": fields,
        "questions": [question],
        "vectors": [],
        "metadata": hidden,
        "allow_extra_metadata": False,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "mapping": None,
    }


_LOAD = '''"""python load.py NAME: loads the pairs into the Argilla of ARGILLA_API_URL."""

import os
import sys

import argilla as rg

client = rg.Argilla(api_url=os.environ["ARGILLA_API_URL"], api_key=os.environ["ARGILLA_API_KEY"])
settings = rg.Settings.from_json("settings.json")
dataset = rg.Dataset(name=sys.argv[1], settings=settings, client=client)
dataset.create()
dataset.records.from_json("records.json")
print("when people are done: dataset.records(with_responses=True).to_json('done.json'), then")
print("curate merge RUN done.json --output merged")
'''
