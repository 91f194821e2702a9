"""Stack Exchange: the answers to a question, scored by the votes of visitors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import polars as pl

from curate.read.formats.base import (
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
    share_of_rows,
)
from curate.read.formats.rankings import (
    RANKED_WITH_METADATA,
    add_answer_metadata,
    answer_metadata,
    pairs_from_rankings,
)

_ANSWER = pl.Struct(
    {
        "text": pl.String,
        "pm_score": pl.Float64,
        "answer_id": pl.String,
        "author": pl.String,
        "selected": pl.String,
    }
)
_NEARLY_ALL = 0.9


class StackExchange(Format):
    """`question` and `answers`, a list of objects with `text` and `pm_score`; texts are HTML.

    As HuggingFaceH4/stack-exchange-preferences: the score is log2(1 + votes), one more for the
    accepted answer (arXiv 2112.00861, appendix). `input.ranking` makes pairs.
    """

    name = "stack_exchange"
    summary = "Stack Exchange: question, answers with text and pm_score; see input.ranking"
    text_columns = ("question",)
    nested_columns: ClassVar[Mapping[str, pl.DataType]] = {"answers": pl.List(_ANSWER)}
    draws_by_row = True
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether answers hold a score."""
        if not has_columns(rows, "question", "answers"):
            return False
        return (
            share_of_rows(rows, lambda row: _are_scored_answers(row.get("answers"))) > _NEARLY_ALL
        )

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs by score."""
        answer = pl.element().struct
        scored = pl.struct(
            text=answer.field("text"),
            score=answer.field("pm_score"),
            said=answer_metadata("answer_id", "author", "selected"),
        )
        ranked = pl.col("answers").list.eval(scored).cast(RANKED_WITH_METADATA)
        ranked = ranked.fill_null(pl.lit([], dtype=RANKED_WITH_METADATA))
        rows = rows.with_columns(
            prompt=as_messages_column(rows, "question", "user"), _ranked=ranked
        )
        return add_answer_metadata(pairs_from_rankings(rows.drop("answers"), options), "answer")


def _are_scored_answers(answers: object) -> bool:
    """Return whether answers are objects with a text and a score."""
    return isinstance(answers, list) and all(
        isinstance(answer, dict) and {"text", "pm_score"} <= answer.keys() for answer in answers
    )
