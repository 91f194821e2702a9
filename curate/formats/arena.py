"""Chatbot Arena: two conversations with the same questions, judged by a visitor."""

from __future__ import annotations

import polars as pl

from curate.formats.base import ERROR, Format, RowSample, has_columns, turns
from curate.formats.slots import place_slots
from curate.formats.trl import split_shared

_WINNERS = {"model_a": 1, "model_b": 2, "tie": 0, "tie (bothbad)": 0, "both_bad": 0}


class ChatbotArena(Format):
    """`conversation_a`, `conversation_b`, `winner` (model_a, model_b, tie, tie (bothbad)), `judge`.

    The prompt is what both conversations share, so a second question belongs to the answers; both
    kinds of tie are ties, and `winner` stays in `extra`.
    """

    name = "arena"
    summary = "Chatbot Arena: conversation_a, conversation_b, winner, judge"
    text_columns = ("conversation_a", "conversation_b")
    value_columns = ("winner", "judge")
    keep_in_extra = ("winner",)
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Whether both conversations and the winner are there."""
        return has_columns(rows, "conversation_a", "conversation_b", "winner")

    def convert(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The winner's turns as chosen, split where the conversations part."""
        rows = rows.with_columns(
            _first=turns(rows, "conversation_a", "assistant"),
            _second=turns(rows, "conversation_b", "assistant"),
            annotator=pl.col("judge").cast(pl.String),
        )
        winner = pl.col("winner").cast(pl.String)
        winner = winner.replace_strict(_WINNERS, default=None, return_dtype=pl.Int64)
        placed = place_slots(rows, winner, ", ".join(_WINNERS))
        judged = placed.rename({ERROR: "_label_error"})
        split = split_shared(judged)
        return split.with_columns(pl.coalesce("_label_error", ERROR).alias(ERROR))
