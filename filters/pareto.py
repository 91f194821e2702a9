"""Keeps pairs that no other pair beats in every respect."""

from __future__ import annotations

import moocore
import numpy as np
import polars as pl
from pydantic import Field, model_validator

from curate import (
    LOWER,
    Column,
    Context,
    Filter,
    FilterResult,
    MissingParams,
    Prefer,
    check_readable,
)


class ParetoParams(MissingParams):
    """Parameters of `pareto`: exactly one of `fronts` and `keep`."""

    criteria: dict[str, Prefer] = Field(
        min_length=2, description="Columns, and whether large (max) or small (min) values are best."
    )
    fronts: int | None = Field(None, ge=1, description="Fronts that are kept, the best first.")
    keep: float | None = Field(
        None, ge=0, le=1, description="Whole fronts are kept until they hold this share or more."
    )

    @model_validator(mode="after")
    def _one(self) -> ParetoParams:
        if (self.fronts is None) == (self.keep is None):
            raise ValueError("give exactly one of fronts and keep")
        return self


class Pareto(Filter[ParetoParams]):
    """Adds `front`: 1 for pairs that no other dominates, 2 for those that only front 1 does, ...

    Unlike TOPSIS it needs no weights, and no unit matters. With many criteria nearly every pair is
    on the first front.
    """

    name = "pareto"
    purpose = "keep the best"
    when = "For two or three scores without weights."
    summary = "rank by Pareto dominance over several scores (nondominated sorting), keep fronts"
    reference = "Deb et al. 2002, NSGA-II, sec. III A"
    Params = ParetoParams

    def reads(self) -> tuple[str, ...]:
        """The criteria."""
        return tuple(self.params.criteria)

    def adds(self) -> tuple[Column, ...]:
        """The front."""
        return (
            Column("front", "1 for pairs that no other beats in all criteria", "int", LOWER),
            Column("status", "ok, or 'a criterion is missing'", "text"),
        )

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep the best fronts among the pairs that have all criteria."""
        p = self.params
        values = pairs.select(check_readable(pairs[c], self.name) for c in p.criteria)
        whole = values.select(w=pl.all_horizontal(pl.all().is_not_null()))["w"]
        table = values.filter(whole).to_numpy()
        front = np.zeros(len(pairs), dtype=np.int64)
        if len(table):
            best = [prefer == "max" for prefer in p.criteria.values()]
            rank = moocore.pareto_rank(table, maximise=best)
            # Fronts begin with 1, whatever number moocore's ranks begin with.
            front[whole.to_numpy()] = rank - rank.min() + 1
        last = p.fronts if p.fronts is not None else _last(front[front > 0], p.keep or 0.0)
        context.facts["fronts"] = int(front.max(initial=0))
        context.facts["last_kept"] = last
        judged = pl.DataFrame({"f": front, "w": whole}).select(
            front=pl.when("w").then("f"),
            status=pl.when("w").then(pl.lit("ok")).otherwise(pl.lit("a criterion is missing")),
            keep=pl.when("w").then(pl.col("f") <= last).otherwise(p.missing == "keep"),
            reason=pl.when("w")
            .then(pl.format("front {}, kept up to {}", "f", pl.lit(last)))
            .otherwise(pl.lit("a criterion is missing")),
        )
        return FilterResult(judged["keep"], judged["reason"], judged.select("front", "status"))


def _last(front: np.ndarray, share: float) -> int:
    """The first front up to which `share` of the pairs or more is kept; 0 for none."""
    if share == 0 or not len(front):
        return 0
    held = np.cumsum(np.bincount(front))
    # Rounding must not ask for one more front where the share is met exactly.
    return int(np.argmax(held >= share * len(front) - 1e-9))
