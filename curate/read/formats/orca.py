"""Orca DPO pairs, as Intel published them and as Argilla rated them again."""

from __future__ import annotations

import polars as pl

from curate.read.column_names import SYSTEM
from curate.read.formats.base import (
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
    prepend_system_turn,
)


class OrcaDPO(Format):
    """`system`, `question`, `chosen` and `rejected` as texts (Intel/orca_dpo_pairs)."""

    name = "orca"
    side_suffixes = ("chosen", "rejected")
    summary = "Intel Orca DPO pairs: system, question, chosen, rejected"
    text_columns = (*SYSTEM, "question", "chosen", "rejected")
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are a question, chosen and rejected."""
        return has_columns(rows, "question", "chosen", "rejected") and not has_columns(
            rows, "prompt"
        )

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the question as prompt, after the system text where there is one."""
        return _convert_texts(rows, "question")


class DistilabelOrca(Format):
    """`system`, `input`, `chosen`, `rejected`, `status` ("tie", "swapped", "unchanged").

    As argilla/distilabel-intel-orca-dpo-pairs: the pair as rated anew; ties are marked, and
    `chosen_score` stays in `extra`.
    """

    name = "distilabel_orca"
    side_suffixes = ("chosen", "rejected")
    summary = "Argilla distilabel Orca DPO pairs: system, input, chosen, rejected, status"
    text_columns = (*SYSTEM, "input", "chosen", "rejected")
    value_columns = ("status",)
    keep_in_extra = ("status",)
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are an input, a status, chosen and rejected."""
        return has_columns(rows, "input", "chosen", "rejected", "status")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the input as prompt, after the system text where there is one."""
        return _convert_texts(rows, "input").with_columns(is_tie=pl.col("status") == "tie")


def _convert_texts(rows: pl.DataFrame, question: str) -> pl.DataFrame:
    rows = rows.with_columns(
        prompt=as_messages_column(rows, question, "user"),
        chosen=as_messages_column(rows, "chosen", "assistant"),
        rejected=as_messages_column(rows, "rejected", "assistant"),
    )
    return rows.with_columns(prompt=prepend_system_turn(rows, pl.col("prompt")))
