"""Keeps the best share of pairs by one score."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import Context, Filter, FilterResult, MissingParams, Prefer, best_first, check_readable


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
        ranks = best_first(check_readable(pairs[p.column], self.name), p.prefer)
        scored = len(ranks) - ranks.null_count()
        wanted = round(p.keep * scored)
        frame = pl.DataFrame({"rank": ranks})
        judged = frame.select(
            keep=(pl.col("rank") <= wanted).fill_null(p.missing == "keep"),
            reason=pl.when(pl.col("rank").is_null())
            .then(pl.lit(f"{p.column} is missing"))
            .otherwise(
                pl.format(
                    "rank {} of {} by {} ({}), {} kept",
                    "rank",
                    pl.lit(scored),
                    pl.lit(p.column),
                    pl.lit(p.prefer),
                    pl.lit(wanted),
                )
            ),
        )
        return FilterResult(judged["keep"], judged["reason"])
