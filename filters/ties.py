"""Drops ties: no trainer of pairs can learn from them."""

from __future__ import annotations

import polars as pl

from curate import Context, Filter, FilterResult, Parameters, same_reason


class Ties(Filter[Parameters]):
    """Drops pairs that the data marks as a tie."""

    name = "ties"
    purpose = "duplicates and leaks"
    when = "Before trainers that know no ties: all but the pair table."
    summary = "drop pairs that the data marks as ties"
    Params = Parameters

    def reads(self) -> tuple[str, ...]:
        """The mark."""
        return ("is_tie",)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep what is no tie."""
        return same_reason(~pairs["is_tie"], "the data marks a tie")
