"""Flips labels that are likely wrong and weighs each pair by how sure its label is."""

from __future__ import annotations

from typing import ClassVar

import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Filter, FilterResult, check_readable, keep_all
from curate.steps.posterior import PosteriorParams, label_probabilities
from curate.steps.relabel import FLIPPED, RELABELLED, flip_labels


class SignedWeightsParams(PosteriorParams):
    """Parameters of `signed_weights`."""

    mean_one: bool = Field(
        True,
        description="Divide weights by their mean, so that an epoch and the loss keep their size; "
        "false: |2p - 1| itself.",
    )


class SignedWeights(Filter[SignedWeightsParams]):
    """Flips the label where its posterior p is below 1/2, and weighs the pair by |2p - 1|.

    The soft label's loss p L(m) + (1 - p) L(-m) has the gradient (2p - 1) L'(0) at a margin m of
    0, which is that of the weight |2p - 1| on the likelier label; for a loss that is linear in m
    both gradients are equal everywhere. So uncertain pairs teach little, and any trainer with
    weights, or with rows drawn by weight, can use it. `extra` gains `"flipped": true` where a label
    is flipped. Nothing is dropped; a pair of unknown posterior counts as one of mean posterior.
    """

    name = "signed_weights"
    purpose = "relabel or weight"
    when = (
        "The recommended action on noisy labels: it needs no threshold, and where the posterior "
        "knows nothing all pairs weigh the same."
    )
    summary = "flip labels that are likely wrong, weigh pairs by how sure the label is: |2p - 1|"
    reference = "LCPO / RE-PO, arXiv 2509.24159 (soft labels, to first order)"
    weight: ClassVar[str | None] = "weight"
    Params = SignedWeightsParams

    def reads(self) -> tuple[str, ...]:
        """The posterior and what is changed."""
        return (self.params.column, *RELABELLED)

    def adds(self) -> tuple[Column, ...]:
        """The weight, the mark, and the posterior of the label as it now stands."""
        return (
            Column("weight", "training weight of the pair", "float", HIGHER),
            FLIPPED,
            Column("posterior", "probability that the label is right now", "float", HIGHER),
        )

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep all, some with the opposite label."""
        right = label_probabilities(check_readable(pairs[self.params.column], self.name))
        wrong = (right < 0.5).alias(FLIPPED.name)
        weight = (2.0 * right - 1.0).abs()
        mean = float(weight.sum()) / max(len(weight), 1)
        context.facts["flipped"] = int(wrong.sum())
        context.facts["mean_certainty"] = round(mean, 4)
        if self.params.mean_one and mean > 0:
            weight = weight / mean
        posterior = pl.select(posterior=pl.max_horizontal(right, 1.0 - right))
        added = pl.DataFrame([weight.alias("weight"), wrong]).hstack(posterior)
        return keep_all(pairs, added, flip_labels(pairs, wrong))
