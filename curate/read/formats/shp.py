"""Stanford Human Preferences: two comments on a post, the better voted one preferred."""

from __future__ import annotations

import polars as pl

from curate.read.formats.base import Format, ReadOptions, RowSample, as_messages_column, has_columns
from curate.read.formats.slots import assign_winner, integer_column


class SHP(Format):
    """`history`, `human_ref_A`, `human_ref_B`, `labels` (1: A, 0: B); strength is `score_ratio`."""

    name = "shp"
    side_suffixes = ("_A", "_B")
    summary = "SHP: history, human_ref_A, human_ref_B and labels (1: A, 0: B)"
    text_columns = ("history", "human_ref_A", "human_ref_B")
    value_columns = ("labels", "score_ratio", "domain")
    keep_in_extra = value_columns
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether the post, both comments and the label are there."""
        return has_columns(rows, "history", "human_ref_A", "human_ref_B", "labels")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the labelled comment as chosen; the subreddit as source."""
        rows = rows.with_columns(
            prompt=as_messages_column(rows, "history", "user"),
            _first=as_messages_column(rows, "human_ref_A", "assistant"),
            _second=as_messages_column(rows, "human_ref_B", "assistant"),
            strength=pl.col("score_ratio").cast(pl.Float32, strict=False),
            source=pl.col("domain").cast(pl.String),
        )
        label = integer_column("labels")
        # 1 prefers A: it got more upvotes though it came no earlier.
        winner = label.replace_strict({1: 1, 0: 2}, default=None, return_dtype=pl.Int64)
        return assign_winner(rows, winner, "1 (A) or 0 (B)")
