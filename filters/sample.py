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
    as_numeric_column,
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
        "drawn. Default: equal odds.",
    )
    seed: int | None = Field(None, description="Random seed; default from the run's seed.")

    @model_validator(mode="after")
    def _one(self) -> SampleParams:
        if (self.share is None) == (self.rows is None):
            raise ValueError("give exactly one of share and rows")
        return self


class Sample(Filter[SampleParams]):
    """Draw a random sample of the pairs without replacement; their order stays.

    With `weights` pairs are drawn one after the other in proportion to that column (Efraimidis and
    Spirakis 2006; UPO's sampling, arXiv 2409.11212). Use it as the control that every other filter
    must beat.

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": f"Q{i}", "chosen": "a", "rejected": "b"} for i in range(4)]
        >>> len(Pipeline({"filters": [{"type": "sample", "share": 0.5}]}).run(rows).kept)
        2
    """

    name = "sample"
    purpose = "keep the best"
    when = "As the control that every other filter must beat."
    summary = "keep a random sample, the control that every other filter must beat"
    reference = "weights: Efraimidis and Spirakis 2006; UPO's sampling, arXiv 2409.11212"
    single_answers = True
    Params = SampleParams
    drop_codes = ("not_sampled",)

    def reads(self) -> tuple[str, ...]:
        """Read the odds, if a column of odds is named."""
        return () if self.params.weights is None else (self.params.weights,)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep the sampled pairs."""
        p = self.params
        rows = round(p.share * len(pairs)) if p.share is not None else min(p.rows or 0, len(pairs))
        # A seed of the step allows several samples within one run.
        rng = context.rng("sample") if p.seed is None else np.random.default_rng(p.seed)
        keep, order = np.zeros(len(pairs), dtype=bool), context.row_order(pairs)
        if p.weights is None:
            # By the order of ids: the sample must not depend on the order of the file.
            keep[order[rng.permutation(len(pairs))[:rows]]] = True
        else:
            odds = as_numeric_column(pairs[p.weights], self.name).fill_null(0.0).to_numpy()
            odds = np.asarray(odds, dtype=np.float64)[order]
            keep[order[_sample_by_odds(odds, rows, rng, p.weights)]] = True
        reason = f"not among the {int(keep.sum())} drawn of {len(pairs)}"
        return same_reason(pl.Series(keep), reason)


def _sample_by_odds(
    odds: NDArray[np.float64], rows: int, rng: np.random.Generator, column: str
) -> NDArray[np.int64]:
    """Draw rows one after the other, in proportion to the odds of the rows not drawn yet.

    By Efraimidis and Spirakis (2006): the largest log(u) / odds; at most as many as have odds.
    """
    if (odds < 0).any():
        raise CurateError(
            "odds are negative", where=f"sample, weights: {column}", found=f"{odds.min():g}"
        )
    drawable = np.flatnonzero(odds > 0)
    # Sorting by log(u) / w equals drawing one by one with odds w (Efraimidis and Spirakis 2006).
    keys = np.log(rng.random(len(drawable))) / odds[drawable]
    sampled_rows: NDArray[np.int64] = drawable[np.argsort(-keys, kind="stable")[:rows]]
    return sampled_rows
