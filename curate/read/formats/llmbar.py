"""LLMBar: two outputs for an instruction, with a label checked by experts."""

from __future__ import annotations

import polars as pl

from curate.read.formats.base import Format, ReadOptions, RowSample, as_messages_column, has_columns
from curate.read.formats.slots import assign_winner, integer_column


class LLMBar(Format):
    """`input`, `output_1`, `output_2` and `label` (1 or 2)."""

    name = "llmbar"
    side_suffixes = ("output_1", "output_2")
    summary = "LLMBar: input, output_1, output_2 and label (1 or 2)"
    text_columns = ("input", "output_1", "output_2")
    value_columns = ("label",)
    keep_in_extra = ("label",)
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are an input, both outputs and the label, and no instruction."""
        has_labelled_pair = has_columns(rows, "input", "output_1", "output_2", "label")
        return has_labelled_pair and not any(
            has_columns(rows, name) for name in ("instruction", "prompt")
        )

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the labelled output as chosen."""
        rows = rows.with_columns(
            prompt=as_messages_column(rows, "input", "user"),
            _first=as_messages_column(rows, "output_1", "assistant"),
            _second=as_messages_column(rows, "output_2", "assistant"),
        )
        label = integer_column("label")
        return assign_winner(rows, pl.when(label.is_in([1, 2])).then(label), "1 or 2")
