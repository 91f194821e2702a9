"""Gives each pair a training weight by the probability that its label is right."""

from __future__ import annotations

from typing import ClassVar

import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Filter, FilterResult, as_numeric_column, keep_all
from curate.scoring.filtering import PosteriorParams


class ReweightParams(PosteriorParams):
    """Parameters of `reweight`."""

    floor: float = Field(0.0, ge=0, le=1, description="Smallest weight.")
    ceiling: float = Field(1.0, ge=1, description="Largest weight; above 1 for weights of mean 1.")


class Reweight(Filter[ReweightParams]):
    """Weigh each pair by its posterior, or by any column, between floor and ceiling.

    `weight` is 1 where the column is missing. The loss is one-sided, w L(margin): the opposite
    label gets no weight, so a label that is probably wrong still pulls its own way, only less. The
    two-sided loss of LCPO / RE-PO (arXiv 2509.24159) is `soft_labels`, its first order in weights
    `signed_weights`. Use it for any column of weights, with a ceiling above 1: `on_policy.weight`
    (WPO), `mc_dropout.easy_weight` (UPO), `propensity.weight`.

    Examples:
        >>> pairs = pl.DataFrame({"label_em.posterior": [0.9, 0.05, None]})
        >>> step = Reweight(column="label_em.posterior", floor=0.1)
        >>> step.apply(pairs, Context()).added["weight"].to_list()
        [0.9, 0.1, 1.0]
    """

    name = "reweight"
    purpose = "relabel or weight"
    when = "For any column of weights. On noisy labels `signed_weights` keeps more information."
    summary = "weigh each pair by the posterior of its label (one-sided); keep every pair"
    reference = "LCPO / RE-PO, arXiv 2509.24159 (posterior; the paper's loss is two-sided)"
    weight: ClassVar[str | None] = "weight"
    Params = ReweightParams

    def reads(self) -> tuple[str, ...]:
        """Read the posterior."""
        return (self.params.column,)

    def adds(self) -> tuple[Column, ...]:
        """Add the weight."""
        return (Column("weight", "training weight of the pair", "float", HIGHER, "0 to ceiling"),)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep all pairs, and add the weight."""
        values = as_numeric_column(pairs[self.params.column], self.name)
        # A pair without a posterior keeps its full weight.
        weight = values.clip(self.params.floor, self.params.ceiling).fill_null(1.0).alias("weight")
        return keep_all(pairs, weight.to_frame())
