"""Keeps the best share of pairs by one score."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import Context, Filter, FilterResult, MissingParams, Prefer, check_readable
from curate.steps.selection import keep_best


class QuantileParams(MissingParams):
    """Parameters of `quantile`."""

    column: str = Field(description="Column of numbers.")
    keep: float = Field(ge=0, le=1, description="Share of the pairs with a score that is kept.")
    prefer: Prefer = Field("max", description="Whether large (max) or small (min) values are kept.")


class Quantile(Filter[QuantileParams]):
    """Keeps round(keep n) of the n pairs with a score; equal scores in the order of the pairs."""

    name = "quantile"
    purpose = "keep the best"
    when = "To keep a share by one score."
    summary = "keep the best share of pairs by one score"
    Params = QuantileParams

    def reads(self) -> tuple[str, ...]:
        """The column."""
        return (self.params.column,)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep the best."""
        p = self.params
        values = check_readable(pairs[p.column], self.name)
        by = f"{p.column} ({p.prefer})"
        return keep_best(values, p.keep, p.prefer, p.missing, by, f"{p.column} is missing")
