"""Delta learning: keeps pairs with a clear gap of quality, however weak both answers are."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import Column, Context, Filter, FilterResult, MissingParams, check_readable


class DeltaParams(MissingParams):
    """Parameters of `delta`."""

    chosen: str = Field(
        "reward_model.chosen", description="Column of the preferred answer's quality."
    )
    rejected: str = Field(
        "reward_model.rejected", description="Column of the other answer's quality."
    )
    min_gap: float = Field(description="Least chosen minus rejected of a kept pair.")
    max_level: float | None = Field(
        None, description="Greatest mean quality of both answers of a kept pair; default any."
    )
    min_level: float | None = Field(
        None, description="Least mean quality of both answers of a kept pair; default any."
    )


class Delta(Filter[DeltaParams]):
    """Adds `gap` and `level` and keeps by the gap; the level alone drops nothing by default.

    The paper: a policy learns from the difference of two answers even where both are weaker than
    its own. Any two columns of quality in one unit will do (a judge's scores, attributes in
    `extra.<key>`, rewards).
    """

    name = "delta"
    purpose = "keep the best"
    when = "When two columns of quality are at hand. By relevance alone it harmed (-.041)."
    summary = "keep pairs with a clear gap of quality, weak ones too (Delta Learning)"
    reference = "The Delta Learning Hypothesis, arXiv 2507.06187"
    Params = DeltaParams

    def reads(self) -> tuple[str, ...]:
        """Both qualities."""
        return (self.params.chosen, self.params.rejected)

    def adds(self) -> tuple[Column, ...]:
        """Gap and level."""
        return (
            Column("gap", "quality of chosen minus rejected", "float", "higher is better"),
            Column("level", "mean quality of both answers"),
            Column("status", "ok, or 'no quality'", "text"),
        )

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep by the gap, and by the level where bounds are given."""
        p = self.params
        first, second = (check_readable(pairs[c], self.name) for c in (p.chosen, p.rejected))
        added = pl.DataFrame({"c": first, "r": second}).select(
            gap=pl.col("c") - pl.col("r"), level=(pl.col("c") + pl.col("r")) / 2
        )
        # A gap is null where either quality is.
        status = pl.when(pl.col("gap").is_null()).then(pl.lit("no quality"))
        added = added.with_columns(status=status.otherwise(pl.lit("ok")))
        wanted = pl.col("gap") >= p.min_gap
        if p.max_level is not None:
            wanted &= pl.col("level") <= p.max_level
        if p.min_level is not None:
            wanted &= pl.col("level") >= p.min_level
        judged = added.select(
            keep=wanted.fill_null(p.missing == "keep"),
            reason=pl.when(pl.col("gap").is_null())
            .then("status")
            .otherwise(
                pl.format("gap {}, level {}", pl.col("gap").round(4), pl.col("level").round(4))
            ),
        )
        return FilterResult(judged["keep"], judged["reason"], added)
