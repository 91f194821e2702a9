"""Weights against feedback that is missing more often for some users and places than for others."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Parameters, Scorer
from curate.data.hashes import select_in_batches
from curate.models.text.attributes import rating_columns

MISSING = "no propensity"


class PropensityParams(Parameters):
    """Parameters of `propensity`."""

    rating: str = Field(
        "propensity", description="Attribute of the answers that holds P(feedback), 0 to 1."
    )
    clip: float = Field(0.05, gt=0, le=1, description="Least propensity: bounds the weights.")


class Propensity(Scorer[PropensityParams]):
    """Clipped inverse propensity of the vote that made the pair, of mean 1 over the data.

    Users who vote on everything, and answers in the first place, fill a set of implicit feedback:
    w = 1 / max(p, clip) of the preferred answer gives the others their share. Give it to a trainer
    by {type: reweight, column: propensity.weight, ceiling: 20}.
    """

    name = "propensity"
    purpose = "taste, annotators, context"
    when = (
        "For implicit feedback: users and places that vote seldom count more. Shown on "
        "simulated data alone."
    )
    summary = "clipped inverse-propensity weight of implicit feedback"
    reference = "arXiv 1909.03601 (missing not at random); ImplicitRM, arXiv 2603.23184"
    Params = PropensityParams

    def columns(self) -> tuple[Column, ...]:
        """Propensities and weight."""
        return (
            Column("chosen", "P(feedback) of the preferred answer's showing", unit="0 to 1"),
            Column("rejected", "P(feedback) of the other answer's showing", unit="0 to 1"),
            Column("weight", "clipped inverse propensity over its mean", "float", HIGHER),
            Column("status", f"ok, or '{MISSING}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Weights of all pairs; the effective share of pairs is a fact."""
        p = self.params
        chosen, rejected = rating_columns(pairs, p.rating)
        frame = select_in_batches(pairs, chosen=chosen, rejected=rejected)
        known = frame["chosen"].is_not_null()
        raw = 1.0 / frame["chosen"].clip(p.clip, 1.0)
        weight = raw / (raw.mean() or 1.0)
        values = weight.drop_nulls().to_numpy()
        if len(values):
            share = float(values.sum() ** 2 / np.square(values).sum()) / len(values)
            context.facts["effective_share"] = round(share, 4)
            context.facts["clipped"] = int((frame["chosen"] < p.clip).sum())
        said = pl.when(pl.col("k")).then(pl.lit("ok")).otherwise(pl.lit(MISSING))
        return frame.with_columns(
            weight=weight, status=known.alias("k").to_frame().select(s=said)["s"]
        )
