"""Gives each pair a training weight by the probability that its label is right."""

from __future__ import annotations

from typing import ClassVar

import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Filter, FilterResult, check_readable, keep_all
from curate.steps.posterior import PosteriorParams


class ReweightParams(PosteriorParams):
    """Parameters of `reweight`."""

    floor: float = Field(0.0, ge=0, le=1, description="Smallest weight.")
    ceiling: float = Field(1.0, ge=1, description="Largest weight; above 1 for weights of mean 1.")


class Reweight(Filter[ReweightParams]):
    """Weight = posterior, or any column, within floor and ceiling; 1 where it is missing.

    One-sided: the loss is w L(margin). The opposite label gets no weight, so a label that is likely
    wrong still pulls its own way, if less. For the two-sided loss of the paper take `soft_labels`,
    for its first order in weights alone `signed_weights`. The weights of other scorers go this way
    too, with a ceiling above 1: `on_policy.weight` (WPO), `mc_dropout.easy_weight` (UPO),
    `propensity.weight`.
    """

    name = "reweight"
    purpose = "relabel or weight"
    when = "For any column of weights. On noisy labels `signed_weights` keeps more information."
    summary = "weigh each pair by the posterior of its label (one-sided); keep every pair"
    reference = "LCPO / RE-PO, arXiv 2509.24159 (posterior; the paper's loss is two-sided)"
    weight: ClassVar[str | None] = "weight"
    Params = ReweightParams

    def reads(self) -> tuple[str, ...]:
        """The posterior."""
        return (self.params.column,)

    def adds(self) -> tuple[Column, ...]:
        """The weight."""
        return (Column("weight", "training weight of the pair", "float", HIGHER, "0 to ceiling"),)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep all."""
        right = check_readable(pairs[self.params.column], self.name)
        # A pair that nobody could judge trains as before.
        weight = right.clip(self.params.floor, self.params.ceiling).fill_null(1.0).alias("weight")
        return keep_all(pairs, weight.to_frame())
