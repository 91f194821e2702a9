"""Shared by filters that act on the probability that a label is right."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate.steps.context import Context
from curate.steps.contracts import Parameters

DEFAULT_COLUMN = "label_em.posterior"


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


def tell_smoothing(right: pl.Series, context: Context) -> None:
    """Put the share of wrong labels that is left into the manifest.

    It is the epsilon of rDPO and cDPO (in TRL: loss_type "robust", label_smoothing), which must be
    below 0.5.

    Args:
        right: posterior of each label that goes on, nulls for unknown.
        context: of the step.
    """
    known = right.drop_nulls()
    if len(known):
        rate = float((1.0 - known).sum()) / len(known)
        context.facts["label_smoothing"] = round(min(rate, 0.499), 4)
