"""The pair table itself, as `dropped/` shards and `Pairs.write` hold it."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from curate.read.formats.base import EXTRA, Format, ReadOptions, RowSample, has_columns


class PairTableFormat(Format):
    """The columns of the pair table as they are; other columns go to `extra`."""

    name = "pairs"
    side_suffixes = ("chosen", "rejected")
    summary = "curate's own pair table"
    text_columns = ("prompt", "chosen", "rejected")
    value_columns: ClassVar[tuple[str, ...]] = (
        "annotator",
        "strength",
        "is_tie",
        "source",
        "extra",
    )
    holds_pair_messages = True
    answers_may_start_with_user = True
    priority = 20

    def matches(self, rows: RowSample) -> bool:
        """Return whether the columns that only a pair table has are all there."""
        return has_columns(rows, "pair_id", "chosen", "rejected", "is_tie", "extra")

    def has_single_answers(self, rows: pl.DataFrame) -> bool:
        """Return whether no row has a rejected answer, as in runs of single answers."""
        return rows["rejected"].null_count() == len(rows)

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the rows as they are."""
        extra, unplaced = pl.col("extra").cast(pl.String), pl.col(EXTRA)
        merged = extra.str.strip_suffix("}") + pl.lit(",") + unplaced.str.strip_prefix("{")
        return rows.with_columns(
            pl.coalesce(pl.when(extra != "{}").then(merged), unplaced, extra).alias(EXTRA),
            pl.col("is_tie").cast(pl.Boolean),
            pl.col("strength").cast(pl.Float32),
        )
