"""Auto-J: two responses to a prompt of a named scenario, judged by one person."""

from __future__ import annotations

import polars as pl

from curate.read.formats.base import Format, ReadOptions, RowSample, as_messages_column, has_columns
from curate.read.formats.slots import assign_winner, integer_column


class AutoJ(Format):
    """`prompt`, `response 1`, `response 2` and `label` (0: first wins, 1: second wins, 2: tie)."""

    name = "autoj"
    side_suffixes = ("response 1", "response 2")
    summary = "Auto-J pairwise: prompt, response 1, response 2 and label (0, 1, or 2 for a tie)"
    text_columns = ("prompt", "response 1", "response 2")
    value_columns = ("label",)
    keep_in_extra = ("label",)
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether the prompt, both responses and the label are there."""
        return has_columns(rows, "prompt", "response 1", "response 2", "label")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the labelled response as chosen; a tie keeps the order of the responses."""
        rows = rows.with_columns(
            prompt=as_messages_column(rows, "prompt", "user"),
            _first=as_messages_column(rows, "response 1", "assistant"),
            _second=as_messages_column(rows, "response 2", "assistant"),
        )
        label = integer_column("label")
        # Counted from 0, and 2 is a tie.
        winner = label.replace_strict({0: 1, 1: 2, 2: 0}, default=None, return_dtype=pl.Int64)
        return assign_winner(rows, winner, "0, 1 or 2 (tie)")
