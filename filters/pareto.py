"""Keeps pairs that no other pair beats in all criteria."""

from __future__ import annotations

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
    as_numeric_column,
)
from curate.scoring import need
from curate.scoring.filtering import missing_codes


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
    """Rank pairs by Pareto dominance over several scores, and keep the best fronts.

    `front` is 1 for pairs that no other pair dominates, 2 for pairs that only front 1 dominates,
    and so on (nondominated sorting: NSGA-II, Deb et al. 2002, sec. III A). It needs no weights, and
    units do not matter. With many criteria nearly every pair is on the first front: use it for two
    or three scores.

    Examples:
        >>> pairs = pl.DataFrame({"s.x": [1.0, 2.0, 0.5], "s.y": [2.0, 1.0, 0.5]})
        >>> step = Pareto(criteria={"s.x": "max", "s.y": "max"}, fronts=1)
        >>> step.apply(pairs, Context()).added["front"].to_list()
        [1, 1, 2]
    """

    name = "pareto"
    purpose = "keep the best"
    when = "For two or three scores without weights."
    summary = "rank by Pareto dominance over several scores (nondominated sorting), keep fronts"
    reference = "Deb et al. 2002, NSGA-II, sec. III A"
    single_answers = True
    Params = ParetoParams
    drop_codes = ("pareto_front", "pareto_missing")

    def reads(self) -> tuple[str, ...]:
        """Read the criteria."""
        return tuple(self.params.criteria)

    def adds(self) -> tuple[Column, ...]:
        """Add the front."""
        return (
            Column("front", "1 for pairs that no other beats in all criteria", "int", LOWER),
            Column("status", "ok, or 'a criterion is missing'", "text"),
        )

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep the best fronts among the pairs that have all criteria."""
        p = self.params
        values = pairs.select(as_numeric_column(pairs[c], self.name) for c in p.criteria)
        complete_mask = values.select(w=pl.all_horizontal(pl.all().is_not_null()))["w"]
        # Only complete pairs can be compared in all criteria.
        table = values.filter(complete_mask).to_numpy()
        front = np.zeros(len(pairs), dtype=np.int64)
        if len(table):
            maximise = [prefer == "max" for prefer in p.criteria.values()]
            need("moocore", "methods", f"filter '{self.name}'")
            import moocore

            rank = moocore.pareto_rank(table, maximise=maximise)
            # Fronts start at 1, whatever moocore's ranks start at.
            front[complete_mask.to_numpy()] = rank - rank.min() + 1
        last = (
            p.fronts if p.fronts is not None else _last_kept_front(front[front > 0], p.keep or 0.0)
        )
        context.facts["fronts"] = int(front.max(initial=0))
        context.facts["last_kept"] = last
        decisions = pl.DataFrame({"f": front, "w": complete_mask}).select(
            front=pl.when("w").then("f"),
            status=pl.when("w").then(pl.lit("ok")).otherwise(pl.lit("a criterion is missing")),
            keep=pl.when("w").then(pl.col("f") <= last).otherwise(p.missing == "keep"),
            reason=pl.when("w")
            .then(pl.format("front {}, kept up to {}", "f", pl.lit(last)))
            .otherwise(pl.lit("a criterion is missing")),
        )
        code = missing_codes(~complete_mask, self.drop_codes)
        added = decisions.select("front", "status")
        return FilterResult(decisions["keep"], decisions["reason"], added, code=code)


def _last_kept_front(front: np.ndarray, share: float) -> int:
    """Return the first front up to which `share` of the pairs or more is kept; 0 for none."""
    if share == 0 or not len(front):
        return 0
    cumulative_count = np.cumsum(np.bincount(front))
    # Rounding must not add a front where the share is met exactly.
    return int(np.argmax(cumulative_count >= share * len(front) - 1e-9))
