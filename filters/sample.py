"""Keeps a random sample."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from curate import Context, Filter, FilterResult, Parameters, same_reason


class SampleParams(Parameters):
    """Parameters of `sample`: exactly one of `share` and `rows`."""

    share: float | None = Field(None, ge=0, le=1, description="Share of the pairs to keep.")
    rows: int | None = Field(None, ge=0, description="Number of pairs to keep.")
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
    Params = SampleParams

    def reads(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep the drawn pairs."""
        p = self.params
        rows = round(p.share * len(pairs)) if p.share is not None else min(p.rows or 0, len(pairs))
        rng = context.rng("sample") if p.seed is None else np.random.default_rng(p.seed)
        keep = np.zeros(len(pairs), dtype=bool)
        keep[rng.permutation(len(pairs))[:rows]] = True
        return same_reason(pl.Series(keep), f"not among the {rows} drawn of {len(pairs)}")
