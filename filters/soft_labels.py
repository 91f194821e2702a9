"""Gives each pair the probability of its label: the two-sided loss of LCPO and RE-PO."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from curate import HIGHER, Column, Context, Filter, FilterResult, check_readable, keep_all
from curate.steps.posterior import PosteriorParams, label_probabilities


class SoftLabels(Filter[PosteriorParams]):
    """Adds `label_probability` p for the loss p L(margin) + (1 - p) L(-margin).

    No label is changed and every pair counts once. A pair of unknown posterior gets the mean of
    the others. Trainers without soft labels take rows instead, each label drawn with probability p.
    Put it behind filters that flip labels: its probability is that of the label as it then stands.
    """

    name = "soft_labels"
    purpose = "relabel or weight"
    when = (
        "For a trainer that reads soft labels (curate.trl). `signed_weights` has the same gradient "
        "near a margin of 0, and works with weights alone."
    )
    summary = "two-sided soft labels: the probability of each label, for both sides of the loss"
    reference = "LCPO / RE-PO, arXiv 2509.24159, Section 4"
    label_probability: ClassVar[str | None] = "label_probability"
    Params = PosteriorParams

    def reads(self) -> tuple[str, ...]:
        """The posterior."""
        return (self.params.column,)

    def adds(self) -> tuple[Column, ...]:
        """The probability of the label."""
        meaning = "probability that the label as written is right"
        return (Column("label_probability", meaning, "float", HIGHER, "0 to 1"),)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep all."""
        right = check_readable(pairs[self.params.column], self.name)
        return keep_all(pairs, label_probabilities(right).alias("label_probability").to_frame())
