"""Nectar: seven answers to a dialogue, ranked by GPT-4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import polars as pl

from curate.data.table import MESSAGES
from curate.read.formats.base import Format, ReadOptions, RowSample, has_columns, share_of_rows
from curate.read.formats.hh import parse_open_dialogue
from curate.read.formats.rankings import (
    RANKED_WITH_METADATA,
    add_answer_metadata,
    answer_metadata,
    pairs_from_rankings,
)

_ANSWER = pl.Struct({"answer": pl.String, "rank": pl.Float64, "model": pl.String})


class Nectar(Format):
    r"""`prompt` as `\n\nHuman: ...\n\nAssistant: `, `answers` with `answer`, `rank` (1: best).

    Pairs are made by `input.ranking`; the score of an answer is minus its rank. Its model is in
    `extra`, under `chosen_answer` and `rejected_answer`.
    """

    name = "nectar"
    summary = "Nectar: prompt, answers (answer, rank); see input.ranking"
    text_columns = ("prompt",)
    nested_columns: ClassVar[Mapping[str, pl.DataType]] = {"answers": pl.List(_ANSWER)}
    draws_by_row = True
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are a prompt and ranked answers."""
        if not has_columns(rows, "prompt", "answers"):
            return False
        return share_of_rows(rows, lambda row: _are_ranked_answers(row.get("answers"))) >= 0.9

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs by rank; the prompt is the dialogue without the empty turn at its end."""
        ranked = pl.col("answers").list.eval(
            pl.struct(
                text=pl.element().struct.field("answer"),
                score=-pl.element().struct.field("rank"),
                said=answer_metadata("model"),
            )
        )
        talks = rows.schema["prompt"] == MESSAGES
        prompt = pl.col("prompt") if talks else parse_open_dialogue("prompt")
        rows = rows.with_columns(prompt=prompt, _ranked=ranked.cast(RANKED_WITH_METADATA))
        return add_answer_metadata(pairs_from_rankings(rows, options), "answer")


def _are_ranked_answers(answers: object) -> bool:
    listed = isinstance(answers, list) and len(answers) > 0 and isinstance(answers[0], dict)
    return bool(listed and {"answer", "rank"} <= set(answers[0]))  # type: ignore[index]
