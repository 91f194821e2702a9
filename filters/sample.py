"""Keeps a random sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from curate import (
    Context,
    CurateError,
    Filter,
    FilterResult,
    Parameters,
    check_readable,
    same_reason,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SampleParams(Parameters):
    """Parameters of `sample`: exactly one of `share` and `rows`."""

    share: float | None = Field(None, ge=0, le=1, description="Share of the pairs to keep.")
    rows: int | None = Field(None, ge=0, description="Number of pairs to keep.")
    weights: str | None = Field(
        None,
        description="Column of odds, such as mc_dropout.easy_weight; pairs without one are not "
        "drawn. Default all alike.",
    )
    seed: int | None = Field(None, description="Seed of the draw; default from the run's seed.")

    @model_validator(mode="after")
    def _one(self) -> SampleParams:
        if (self.share is None) == (self.rows is None):
            raise ValueError("give exactly one of share and rows")
        return self


class Sample(Filter[SampleParams]):
    """Draws pairs without replacement; the order of the pairs stays."""

    name = "sample"
    purpose = "keep the best"
    when = "As the control that every other filter must beat."
    summary = "keep a random sample, the control that every other filter must beat"
    reference = "weights: Efraimidis and Spirakis 2006; UPO's sampling, arXiv 2409.11212"
    Params = SampleParams

    def reads(self) -> tuple[str, ...]:
        """The odds, where some are named."""
        return () if self.params.weights is None else (self.params.weights,)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep the drawn pairs."""
        p = self.params
        rows = round(p.share * len(pairs)) if p.share is not None else min(p.rows or 0, len(pairs))
        rng = context.rng("sample") if p.seed is None else np.random.default_rng(p.seed)
        keep, order = np.zeros(len(pairs), dtype=bool), context.row_order(pairs)
        if p.weights is None:
            keep[order[rng.permutation(len(pairs))[:rows]]] = True
        else:
            odds = check_readable(pairs[p.weights], self.name).fill_null(0.0).to_numpy()
            odds = np.asarray(odds, dtype=np.float64)[order]
            keep[order[_drawn(odds, rows, rng, p.weights)]] = True
        drawn = f"not among the {int(keep.sum())} drawn of {len(pairs)}"
        return same_reason(pl.Series(keep), drawn)


def _drawn(
    odds: NDArray[np.float64], rows: int, rng: np.random.Generator, column: str
) -> NDArray[np.int64]:
    """Rows drawn one after the other in proportion to the odds of those that are left.

    By Efraimidis and Spirakis (2006): the largest log(u) / odds; at most as many as have odds.
    """
    if (odds < 0).any():
        raise CurateError(
            "odds are negative", where=f"sample, weights: {column}", found=f"{odds.min():g}"
        )
    able = np.flatnonzero(odds > 0)
    # Ordering by log(u) / w is drawing one by one with odds w among those left.
    keys = np.log(rng.random(len(able))) / odds[able]
    found: NDArray[np.int64] = able[np.argsort(-keys, kind="stable")[:rows]]
    return found
