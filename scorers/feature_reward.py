"""A Bradley-Terry reward over features that the user names."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit

from curate.context import Context
from curate.models.attributes import Attribute, attribute_margins
from curate.models.folds import group_folds
from curate.models.out_of_fold import status, votes
from curate.models.regression import explained, held_out, regress
from curate.models.traits import TRAIT_NAMES
from curate.steps import HIGHER, Column, Parameters, Scorer

MISSING = "a feature is missing"


class FeatureRewardParams(Parameters):
    """Parameters of `feature_reward`."""

    features: dict[str, Attribute] = Field(
        default_factory=lambda: {name: Attribute(trait=name) for name in TRAIT_NAMES},
        description="Name and place of each feature; default the traits of style.",
    )
    folds: int = Field(5, ge=2, description="Folds by prompt.")


class FeatureReward(Scorer[FeatureRewardParams]):
    """r(y) = b . f(y): held-out margins, and the coefficients with 95 % intervals among the facts.

    A reward that can be read: every coefficient says what a standard deviation of a feature's
    difference adds to the log odds of a vote, the others held fixed. The paper's features are
    judged by a language model; here any numbers of the data will do.
    """

    name = "feature_reward"
    summary = "Bradley-Terry reward over named features, with coefficients and intervals"
    reference = "opinion summaries by domain features, arXiv 2402.15473; Bradley and Terry 1952"
    Params = FeatureRewardParams

    def columns(self) -> tuple[Column, ...]:
        """Margin and probability."""
        return (
            Column("margin", "held-out log odds of the label", "float", HIGHER, "nats"),
            Column("probability", "of the label", "float", HIGHER, "0 to 1"),
            Column("status", f"ok; tie, identical answers, or '{MISSING}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Margins of all pairs that have all features."""
        p = self.params
        names = list(p.features)
        values = attribute_margins(pairs, context, p.features, f"scorer '{self.name}', features")
        whole = ~np.isnan(values).any(axis=1)
        known = whole & votes(pairs, context)
        groups = context.prompt_groups(pairs)
        margin = np.full(len(pairs), np.nan)
        if known.any():
            own = np.unique(groups[known], return_inverse=True)[1]
            folds = group_folds(own, p.folds, context.step_seed(self.name))
            margin[known] = held_out(values[known], own, folds)
            fit = regress(values[known], own)
            context.facts["explained"] = explained(margin[known])
            context.facts["coefficients"] = {n: fit.row(i) for i, n in enumerate(names)}
        said = status(pairs, context).to_frame("s").with_columns(whole=pl.Series(whole))
        return pl.DataFrame(
            {
                "margin": pl.Series(margin).fill_nan(None),
                "probability": pl.Series(expit(margin)).fill_nan(None),
                "status": said.select(
                    pl.when(pl.col("whole") | (pl.col("s") != "ok"))
                    .then("s")
                    .otherwise(pl.lit(MISSING))
                )["s"],
            }
        )
