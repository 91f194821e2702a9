"""Weights against feedback that is missing more often for some items, users and positions."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Parameters, Scorer
from curate.scoring import select_in_batches
from curate.scoring.heads import rating_columns

MISSING = "no propensity"


class PropensityParams(Parameters):
    """Parameters of `propensity`."""

    rating: str = Field(
        "propensity", description="Attribute of the answers with P(feedback), 0 to 1."
    )
    clip: float = Field(0.05, gt=0, le=1, description="Smallest propensity: bounds the weights.")


class Propensity(Scorer[PropensityParams]):
    """Compute the clipped inverse propensity of the vote behind each pair.

    `weight` is 1 / max(p, clip) of the chosen answer, divided by its mean over the data; `chosen`
    and `rejected` are the propensities P(feedback), 0 to 1. Popular items, users who
    vote on everything and answers in the first position dominate implicit feedback; the weight
    gives the others their share (arXiv 1909.03601; the reader estimates an item's p by its
    popularity as there, (n / n_max)^0.5). Pass it to a trainer by {type: reweight, column:
    propensity.weight, ceiling: 20}. It was tested on simulated data only.

    Examples:
        >>> {column.name: column.unit for column in Propensity(clip=0.05).columns()}
        {'chosen': '0 to 1', 'rejected': '0 to 1', 'weight': '', 'status': ''}
    """

    name = "propensity"
    purpose = "taste, annotators, context"
    when = (
        "For implicit feedback: items, users and positions with few votes count more. Tested on "
        "simulated data only."
    )
    summary = "clipped inverse-propensity weight of implicit feedback"
    reference = (
        "arXiv 1909.03601 (missing not at random); ImplicitRM, arXiv 2603.23184; hidden positives: "
        "label_em, after NBPO, arXiv 2007.07204"
    )
    Params = PropensityParams

    def columns(self) -> tuple[Column, ...]:
        """Return propensities and weight."""
        return (
            Column("chosen", "P(feedback) of the chosen answer when shown", unit="0 to 1"),
            Column("rejected", "P(feedback) of the rejected answer when shown", unit="0 to 1"),
            Column("weight", "clipped inverse propensity over its mean", "float", HIGHER),
            Column("status", f"ok, or '{MISSING}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return weights of all pairs; the effective share of pairs is a fact."""
        p = self.params
        chosen, rejected = rating_columns(pairs, p.rating)
        frame = select_in_batches(pairs, chosen=chosen, rejected=rejected)
        has_propensity = frame["chosen"].is_not_null()
        # Clipping trades variance for bias: one rare vote must not dominate.
        raw = 1.0 / frame["chosen"].clip(p.clip, 1.0)
        weight = raw / (raw.mean() or 1.0)
        values = weight.drop_nulls().to_numpy()
        if len(values):
            # Kish's effective sample size over n.
            share = float(values.sum() ** 2 / np.square(values).sum()) / len(values)
            context.facts["effective_share"] = round(share, 4)
            context.facts["clipped"] = int((frame["chosen"] < p.clip).sum())
        status = pl.when(pl.col("k")).then(pl.lit("ok")).otherwise(pl.lit(MISSING))
        return frame.with_columns(
            weight=weight, status=has_propensity.alias("k").to_frame().select(s=status)["s"]
        )
