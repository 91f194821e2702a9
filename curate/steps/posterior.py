"""Shared by filters that act on the probability that a label is right."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate.steps.context import Context
from curate.steps.contracts import Parameters
from curate.steps.findings import RemainingNoise

DEFAULT_COLUMN = "label_em.posterior"
JUDGED = "judged"
"""Status of a pair whose label a person judged."""


class PosteriorParams(Parameters):
    """Parameters of filters that read a posterior."""

    column: str = Field(
        DEFAULT_COLUMN, description="Probability that the label is right, 0 to 1; null: unknown."
    )


class BelowParams(PosteriorParams):
    """Parameters of filters that act on labels of low posterior."""

    below: float = Field(
        0.5, ge=0, le=1, description="Labels of a smaller posterior are taken as wrong."
    )


def label_probabilities(right: pl.Series) -> pl.Series:
    """Return the posterior clipped to 0 to 1; a missing value becomes the mean.

    A pair of unknown posterior is then an average label: it neither outweighs the others nor is
    lost. Where none is known, all are 1: labels count as they are.

    Args:
        right: (pairs,) posterior of each label, null for unknown.
    """
    probability = right.clip(0.0, 1.0)
    mean = probability.mean()
    # A label of which nothing is known is as good as the others are on average.
    return probability.fill_null(1.0 if mean is None else mean)


def record_remaining_noise(column: str, right: pl.Series, context: Context) -> None:
    """Put the share of wrong labels that is left, by the posterior, into the manifest.

    `curate.write.manifest.label_smoothing` decides whether it is an estimate: a
    posterior is as good as the noise model behind it.

    Args:
        column: of the posterior that the step read.
        right: posterior of each label that goes on, nulls for unknown.
        context: of the step.
    """
    is_certain = right.drop_nulls()
    if len(is_certain):
        rate = float((1.0 - is_certain).sum()) / len(is_certain)
        context.facts.update(RemainingNoise(column, round(rate, 4)).to_facts())
