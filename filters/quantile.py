"""Keeps the best share of pairs by one score."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import Context, Filter, FilterResult, MissingParams, Prefer, as_numeric_column
from curate.scoring.filtering import keep_best


class QuantileParams(MissingParams):
    """Parameters of `quantile`."""

    column: str = Field(description="Column of numbers.")
    keep: float = Field(ge=0, le=1, description="Share of the pairs with a score that is kept.")
    prefer: Prefer = Field("max", description="Whether large (max) or small (min) values are kept.")


class Quantile(Filter[QuantileParams]):
    """Keep round(keep n) of the n pairs with a score, the best first.

    Equal scores are ranked in the order of the pairs. Use it to keep a share by one score.

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": f"Q{i}", "chosen": "a", "rejected": "b", "m": i} for i in (1, 3)]
        >>> step = {"type": "quantile", "column": "extra.m", "keep": 0.5}
        >>> Pipeline({"filters": [step]}).run(rows).dropped["drop_reason"].to_list()
        ['rank 2 of 2 by extra.m (max), 1 kept']
    """

    name = "quantile"
    purpose = "keep the best"
    when = "To keep a share by one score."
    summary = "keep the best share of pairs by one score"
    single_answers = True
    Params = QuantileParams
    drop_codes = ("quantile_rank", "quantile_missing")

    def reads(self) -> tuple[str, ...]:
        """Read the column."""
        return (self.params.column,)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep the best pairs."""
        p = self.params
        values = as_numeric_column(pairs[p.column], self.name)
        by = f"{p.column} ({p.prefer})"
        lacking = f"{p.column} is missing"
        return keep_best(values, p.keep, p.prefer, p.missing, by, lacking, self.drop_codes)
