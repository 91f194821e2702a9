"""A Bradley-Terry reward over features that the user names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit

from curate import HIGHER, Column, Context, Parameters, Scorer
from curate.models.heads.folds import group_folds
from curate.models.heads.out_of_fold import vote_mask
from curate.models.heads.regression import (
    estimable_columns,
    explained_bits,
    fit_vote_regression,
    held_out_log_odds,
)
from curate.models.text.attributes import Attribute, attribute_margins, attribute_status
from curate.models.text.traits import TRAIT_NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING = "a feature is missing"


class FeatureRewardParams(Parameters):
    """Parameters of `feature_reward`."""

    features: dict[str, Attribute] = Field(
        default_factory=lambda: {name: Attribute(trait=name) for name in TRAIT_NAMES},
        min_length=1,
        description="Name and place of each feature; default the traits of style.",
    )
    folds: int = Field(5, ge=2, description="Folds by prompt.")


class FeatureReward(Scorer[FeatureRewardParams]):
    """r(y) = b . f(y): held-out margins, and the coefficients with 95 % intervals among the facts.

    A reward that can be read: every coefficient says what a standard deviation of a feature's
    difference adds to the log odds of a vote, the others held fixed. Features that differ in fewer
    than ten prompts, or always speak for the same side, are left out. The paper's features are
    judged by a language model; here any numbers of the data will do.
    """

    name = "feature_reward"
    purpose = "rewards and models"
    when = (
        "To see what labels lean on, with coefficients and intervals. Style alone finds "
        "flips nearly as well as noise_score on small sets."
    )
    summary = "Bradley-Terry reward over named features, with coefficients and intervals"
    reference = "opinion summaries by domain features, arXiv 2402.15473; Bradley and Terry 1952"
    from_labels = True
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
        values = attribute_margins(pairs, context, p.features, f"scorer '{self.name}', features")
        whole = np.isfinite(values).all(axis=1)
        known = whole & vote_mask(pairs, context)
        groups = context.prompt_groups(pairs)
        margin = np.full(len(pairs), np.nan)
        margin[known] = self._margins(values[known], groups[known], context)
        return pl.DataFrame(
            {
                "margin": pl.Series(margin).fill_nan(None),
                "probability": pl.Series(expit(margin)).fill_nan(None),
                "status": attribute_status(pairs, context, values, MISSING),
            }
        )

    def _margins(
        self, values: NDArray[np.float64], groups: NDArray[np.int64], context: Context
    ) -> NDArray[np.float64]:
        """Held-out margins of the votes; the coefficients are facts."""
        own = np.unique(groups, return_inverse=True)[1]
        told = estimable_columns(values, own)
        # One that differs in few prompts, or always one way, has no coefficient that could be told.
        kept = [name for name, t in zip(self.params.features, told, strict=True) if t]
        context.facts["left_out"] = [name for name in self.params.features if name not in kept]
        if not kept:
            return np.zeros(len(values))
        folds = group_folds(own, self.params.folds, context.step_seed(self.name))
        margin = held_out_log_odds(values[:, told], own, folds)
        fit = fit_vote_regression(values[:, told], own)
        context.facts["explained"] = explained_bits(margin)
        context.facts["coefficients"] = {n: fit.row(i) for i, n in enumerate(kept)}
        return margin
