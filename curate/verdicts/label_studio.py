"""Label Studio's tasks, labelling interface and export."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

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


class LabelStudio(AnnotationTool):
    """Label Studio: tasks.json and label_config.xml to import, its JSON export back."""

    name = "label_studio"

    def files(self, pairs: pl.DataFrame, first_is_chosen: pl.Series) -> JsonObject:
        """Return the tasks and the labelling interface."""
        tasks = [
            {
                "data": {
                    "pair_id": row["pair_id"],
                    "order": row["order"],
                    "answers": row["answers"],
                    "prompt": row["prompt_text"],
                    "answer_a": row["answer_a"],
                    "answer_b": row["answer_b"],
                }
            }
            for row in task_rows(pairs, first_is_chosen)
        ]
        return {"tasks.json": tasks, "label_config.xml": _label_config()}

    def matches(self, exported: Any) -> bool:
        """Return whether this is a list of tasks with annotations."""
        return have_all_fields(exported, "data", "annotations")

    def verdicts(self, exported: Any) -> Iterator[ReviewVerdict]:
        """Yield the last result of each annotation; a cancelled one is a skip."""
        for task in exported:
            data = task["data"]
            first = is_first(data["order"])
            hashes = task_hashes(data.get("answers"), first)
            for annotation in task["annotations"]:
                choices = [
                    choice
                    for result in annotation.get("result", ())
                    if result.get("from_name") == QUESTION
                    for choice in result["value"].get("choices", ())
                ]
                who = annotation.get("completed_by")
                # Some exports have the person's object, others the id alone.
                reviewer = who.get("email") or who.get("id") if isinstance(who, dict) else who
                # Label Studio keeps what was chosen before a task was skipped.
                is_vote = bool(choices) and not annotation.get("was_cancelled")
                verdict = (to_review_verdict(choices[-1], first) if is_vote else None) or "skip"
                yield ReviewVerdict(str(data["pair_id"]), str(reviewer), verdict, *hashes, True)


def _label_config() -> str:
    choices = "".join(
        f'    <Choice value="{escape(value)}" alias="{escape(value)}" hint="{escape(hint)}"/>\n'
        for value, hint in CHOICES.items()
    )
    return (
        "<View>\n"
        f'  <Header value="{escape(GUIDELINES)}"/>\n'
        '  <Text name="prompt" value="$prompt"/>\n'
        '  <View style="display: grid; grid-template-columns: 1fr 1fr; gap: 1em">\n'
        '    <View><Header value="A"/><Text name="answer_a" value="$answer_a"/></View>\n'
        '    <View><Header value="B"/><Text name="answer_b" value="$answer_b"/></View>\n'
        "  </View>\n"
        f'  <Choices name="{QUESTION}" toName="prompt" choice="single-radio" required="true">\n'
        f"{choices}  </Choices>\n"
        "</View>\n"
    )
