"""Flips labels that are probably wrong and weighs each pair by the certainty of its label."""

from __future__ import annotations

from typing import ClassVar

import polars as pl
from pydantic import Field

from curate import (
    HIGHER,
    Column,
    Context,
    Filter,
    FilterResult,
    Standing,
    as_numeric_column,
    keep_all,
)
from curate.scoring.filtering import (
    FLIPPED,
    RELABELLED,
    PosteriorParams,
    flip_labels,
    label_probabilities,
)


class SignedWeightsParams(PosteriorParams):
    """Parameters of `signed_weights`."""

    mean_one: bool = Field(
        True,
        description="Divide weights by their mean, so that an epoch and the loss keep their size; "
        "false: |2p - 1| itself.",
    )


class SignedWeights(Filter[SignedWeightsParams]):
    """Flip the label where its posterior p is below 1/2, and weigh the pair by |2p - 1|.

    The soft label's loss p L(m) + (1 - p) L(-m) has the gradient (2p - 1) L'(0) at a margin m = 0,
    which is that of the weight |2p - 1| on the likelier label (LCPO / RE-PO, arXiv 2509.24159, to
    first order). `weight` has mean 1 with `mean_one`; `flipped` marks flips, also in `extra`;
    `posterior` (0.5 to 1) is that of the new label. A pair of unknown posterior counts as one of
    mean posterior. It is the recommended action on noisy labels: it needs no threshold and works
    with any trainer with weights.

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": f"Q{p}", "chosen": "a", "rejected": "b", "p": p} for p in (0.9, 0.2)]
        >>> step = {"type": "signed_weights", "column": "extra.p", "mean_one": False}
        >>> Pipeline({"filters": [step]}).run(rows).steps[-1].facts["flipped"]
        1
    """

    name = "signed_weights"
    purpose = "relabel or weight"
    standing = Standing.RECOMMENDED
    when = (
        "The recommended action on noisy labels: it needs no threshold, and where the posterior "
        "is uninformative all pairs get the same weight."
    )
    summary = (
        "flip labels that are probably wrong, weigh pairs by the certainty of the label: |2p - 1|"
    )
    reference = "LCPO / RE-PO, arXiv 2509.24159 (soft labels, to first order)"
    weight: ClassVar[str | None] = "weight"
    Params = SignedWeightsParams

    def reads(self) -> tuple[str, ...]:
        """Read the posterior and the columns that a flip changes."""
        return (self.params.column, *RELABELLED)

    def adds(self) -> tuple[Column, ...]:
        """Add the weight, the flag of flipped pairs, and the posterior of the new label."""
        return (
            Column("weight", "training weight of the pair", "float", HIGHER),
            FLIPPED,
            Column("posterior", "probability that the new label is right", "float", HIGHER),
        )

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep all pairs, flip the labels that are probably wrong, and add the weight."""
        posterior_of_label = label_probabilities(
            as_numeric_column(pairs[self.params.column], self.name)
        )
        wrong = (posterior_of_label < 0.5).alias(FLIPPED.name)
        weight = (2.0 * posterior_of_label - 1.0).abs()
        mean = float(weight.sum()) / max(len(weight), 1)
        context.facts["flipped"] = int(wrong.sum())
        context.facts["mean_certainty"] = round(mean, 4)
        # A mean of 0 means that no label is informative: weights stay 0.
        if self.params.mean_one and mean > 0:
            weight = weight / mean
        # After a flip the label is the likelier of the two.
        posterior = pl.select(
            posterior=pl.max_horizontal(posterior_of_label, 1.0 - posterior_of_label)
        )
        added = pl.DataFrame([weight.alias("weight"), wrong]).hstack(posterior)
        return keep_all(pairs, added, flip_labels(pairs, wrong))
