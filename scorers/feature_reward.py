"""A Bradley-Terry reward over features that the user names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit

from curate import HIGHER, Column, Context, Parameters, Scorer
from curate.scoring import group_folds, vote_mask
from curate.scoring.heads import (
    TRAIT_NAMES,
    Attribute,
    attribute_margins,
    attribute_status,
    estimable_columns,
    explained_bits,
    fit_vote_regression,
    held_out_log_odds,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING = "a feature is missing"


class FeatureRewardParams(Parameters):
    """Parameters of `feature_reward`."""

    features: dict[str, Attribute] = Field(
        default_factory=lambda: {name: Attribute(trait=name) for name in TRAIT_NAMES},
        min_length=1,
        description="Name and source of each feature; default the traits of style.",
    )
    folds: int = Field(5, ge=2, description="Folds by prompt.")


class FeatureReward(Scorer[FeatureRewardParams]):
    """Fit a Bradley-Terry reward r(y) = b . f(y) over named features.

    `margin` is the held-out log odds b . (f(chosen) - f(rejected)) of the label in nats,
    `probability` its sigmoid. The coefficients with 95 % intervals are facts: each says what one
    standard deviation of a feature's difference adds to the log odds of a vote. Features that
    differ in fewer than ten prompts, or always favour the same side, are left out. In arXiv
    2402.15473 a language model judges the features; here any numbers of the data will do. Use it to
    see which features the labels reward.

    Examples:
        >>> from curate import score
        >>> rows = [{"prompt": f"Q{i}", "chosen": "a " * i, "rejected": "a"} for i in range(6)]
        >>> scores = score(rows, "feature_reward", features={"length": {"trait": "length"}})
        >>> scores.facts["left_out"]
        ['length']
    """

    name = "feature_reward"
    purpose = "rewards and models"
    when = (
        "To see which features the labels reward, with coefficients and intervals. On small "
        "datasets style finds flips nearly as well as noise_score."
    )
    summary = "Bradley-Terry reward over named features, with coefficients and intervals"
    reference = "opinion summaries by domain features, arXiv 2402.15473; Bradley and Terry 1952"
    from_labels = True
    Params = FeatureRewardParams

    def columns(self) -> tuple[Column, ...]:
        """Return margin and probability."""
        return (
            Column("margin", "held-out log odds of the label", "float", HIGHER, "nats"),
            Column("probability", "of the label", "float", HIGHER, "0 to 1"),
            Column("status", f"ok; tie, identical answers, or '{MISSING}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return margins of all pairs that have all features."""
        p = self.params
        values = attribute_margins(pairs, context, p.features, f"scorer '{self.name}', features")
        complete_mask = np.isfinite(values).all(axis=1)
        voted_mask = complete_mask & vote_mask(pairs, context)
        groups = context.prompt_groups(pairs)
        margin = np.full(len(pairs), np.nan)
        margin[voted_mask] = self._margins(values[voted_mask], groups[voted_mask], context)
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
        """Return held-out margins of the votes; the coefficients are facts."""
        # Dense again: pairs without a vote left gaps in the numbers.
        prompt_index = np.unique(groups, return_inverse=True)[1]
        estimable = estimable_columns(values, prompt_index)
        # A feature that differs in few prompts, or always one way, has no estimable coefficient.
        used_features = [name for name, t in zip(self.params.features, estimable, strict=True) if t]
        context.facts["left_out"] = [
            name for name in self.params.features if name not in used_features
        ]
        if not used_features:
            return np.zeros(len(values))
        folds = group_folds(prompt_index, self.params.folds, context.step_seed(self.name))
        margin = held_out_log_odds(values[:, estimable], prompt_index, folds)
        fit = fit_vote_regression(values[:, estimable], prompt_index)
        # Held-out bits per vote, so that a feature without signal cannot look useful.
        context.facts["explained"] = explained_bits(margin)
        context.facts["coefficients"] = {n: fit.row(i) for i, n in enumerate(used_features)}
        return margin
