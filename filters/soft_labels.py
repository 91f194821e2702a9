"""Gives each pair the probability of its label: the two-sided loss of LCPO and RE-PO."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from curate import HIGHER, Column, Context, Filter, FilterResult, as_numeric_column, keep_all
from curate.scoring.filtering import PosteriorParams, label_probabilities


class SoftLabels(Filter[PosteriorParams]):
    """Add the probability p of each label for the loss p L(margin) + (1 - p) L(-margin).

    `label_probability` is p, 0 to 1 (LCPO / RE-PO, arXiv 2509.24159, sec. 4). No label changes and
    every pair counts once; a pair of unknown posterior gets the mean of the others. Trainers
    without soft labels receive rows whose labels are drawn with probability p. Put it after filters
    that flip labels. Use it for a trainer that reads soft labels (`curate.trl`).

    Examples:
        >>> pairs = pl.DataFrame({"label_em.posterior": [0.75, 0.25, None]})
        >>> added = SoftLabels(column="label_em.posterior").apply(pairs, Context()).added
        >>> added["label_probability"].to_list()
        [0.75, 0.25, 0.5]
    """

    name = "soft_labels"
    purpose = "relabel or weight"
    when = (
        "For a trainer that reads soft labels (curate.trl). `signed_weights` has the same gradient "
        "near a margin of 0, and needs only weights."
    )
    summary = "two-sided soft labels: the probability of each label, for both sides of the loss"
    reference = "LCPO / RE-PO, arXiv 2509.24159, Section 4"
    label_probability: ClassVar[str | None] = "label_probability"
    Params = PosteriorParams

    def reads(self) -> tuple[str, ...]:
        """Read the posterior."""
        return (self.params.column,)

    def adds(self) -> tuple[Column, ...]:
        """Add the probability of the label."""
        meaning = "probability that the label as written is right"
        return (Column("label_probability", meaning, "float", HIGHER, "0 to 1"),)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep all pairs, and add the probability of the label."""
        right = as_numeric_column(pairs[self.params.column], self.name)
        return keep_all(pairs, label_probabilities(right).alias("label_probability").to_frame())
