"""Several rewards combined into one, by weights that may depend on the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pydantic import Field, model_validator
from scipy.special import log_expit

from curate import HIGHER, Column, Context, Input, Parameters, Scorer, Standing, suggestion
from curate.scorers.research.multi_reward.local_weights import local_weights
from curate.scoring import MeanDifference, group_folds, nearest_neighbours, take_rows, vote_mask
from curate.scoring.embeddings import EXACT_BELOW
from curate.scoring.heads import (
    Attribute,
    attribute_margins,
    attribute_status,
    estimable_columns,
    fit_vote_regression,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING = "a reward is missing"


class MultiRewardParams(Parameters):
    """Parameters of `multi_reward`."""

    rewards: dict[str, Attribute] = Field(
        min_length=1, description="Name and source of each reward or attribute."
    )
    weights: dict[str, float] | None = Field(
        None, description="Weight of each reward in its own unit; default learned from the votes."
    )
    k: int = Field(
        50,
        ge=1,
        description="Number of nearest other prompts whose votes shape a prompt's weights.",
    )
    prior: float = Field(
        20.0, gt=0, description="Strength, in votes, of the prior on the common weights."
    )
    folds: int = Field(5, ge=2, description="Folds by prompt, for the weights of all prompts.")

    @model_validator(mode="after")
    def _weights_name_rewards(self) -> MultiRewardParams:
        for name in self.weights or {}:
            if name not in self.rewards:
                raise ValueError(f"weight of '{name}': {suggestion(name, self.rewards)}")
        return self


class MultiReward(Scorer[MultiRewardParams]):
    """Combine several rewards into the margin sum_k w_k (r_k(chosen) - r_k(rejected)).

    Weights are given, or learned by a Bradley-Terry regression on the other folds and moved for
    each prompt by the votes on its k nearest other prompts (one Newton step, with `prior` votes'
    worth of belief in the common weights). Weights by prompt are used only where they predict
    held-out votes better. `margin` is in nats if learned; `weight_<name>` is in the reward's own
    unit. A reward that differs in fewer than ten prompts, or always one way, gets weight 0. PRO
    (arXiv 2511.10656) trains an adapter with positive weights instead. Use it when pairs carry
    several ratings or rewards.

    Examples:
        >>> from curate import score
        >>> row = {"prompt": "2 + 2?", "chosen": "It is 4.", "rejected": "5"}
        >>> rewards = {"length": {"trait": "length"}}
        >>> scores = score([row], "multi_reward", rewards=rewards, weights={"length": -1.0})
        >>> scores.frame["multi_reward.margin"].round(2).to_list()
        [-1.5]
    """

    name = "multi_reward"
    purpose = "rewards and models"
    standing = Standing.RESEARCH
    when = (
        "When pairs carry several ratings or rewards. Weights that depend on the prompt "
        "predicted no better on any of our six datasets."
    )
    summary = "several rewards or attributes combined, by weights of the prompt's neighbourhood"
    reference = "PRO (Preference Orchestrator), arXiv 2511.10656; HelpSteer2, arXiv 2406.08673"
    Params = MultiRewardParams

    _names: tuple[str, ...] = ()

    def __init__(self, /, **parameters: Any) -> None:
        super().__init__(**parameters)
        self._names = tuple(self.params.rewards)
        self.from_labels = self.params.weights is None
        if self.from_labels:
            self.inputs = self.inputs | {Input.EMBEDDINGS}

    def columns(self) -> tuple[Column, ...]:
        """Return margin and weights."""
        weights = (
            Column(f"weight_{name}", f"weight of {name}, in its own unit") for name in self._names
        )
        return (
            Column(
                "margin",
                "weighted margin of the label",
                "float",
                HIGHER,
                "nats if learned",
                evidence="none" if self.from_labels else "auto",
            ),
            *weights,
            Column("status", f"ok; tie, identical answers, or '{MISSING}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return margins of all pairs that have all rewards."""
        p = self.params
        where = f"scorer '{self.name}', rewards"
        values = attribute_margins(pairs, context, p.rewards, where)
        complete_mask = np.isfinite(values).all(axis=1)
        if p.weights is not None:
            row = np.array([p.weights.get(name, 0.0) for name in p.rewards])
            weights = np.tile(row, (len(pairs), 1))
        else:
            voted_mask = complete_mask & vote_mask(pairs, context)
            weights = self._learn_weights(np.nan_to_num(values), voted_mask, pairs, context)
        margin = np.where(complete_mask, (weights * np.nan_to_num(values)).sum(axis=1), np.nan)
        columns = {"margin": pl.Series(margin).fill_nan(None)}
        columns |= {f"weight_{n}": pl.Series(weights[:, i]) for i, n in enumerate(p.rewards)}
        return pl.DataFrame(columns | {"status": attribute_status(pairs, context, values, MISSING)})

    def _learn_weights(
        self,
        values: NDArray[np.float64],
        voted_mask: NDArray[np.bool_],
        pairs: pl.DataFrame,
        context: Context,
    ) -> NDArray[np.float64]:
        """Return (pairs, K) weights in the rewards' units, learned without the pair's prompt."""
        groups = context.prompt_groups(pairs)
        # Rewards have different units, but share one prior.
        size = np.sqrt(np.square(values[voted_mask]).mean(axis=0)) if voted_mask.any() else 1.0
        scale = np.where(size > 0, size, 1.0)
        prompt_index = np.unique(groups[voted_mask], return_inverse=True)[1]
        estimable = estimable_columns(values[voted_mask], prompt_index)
        # A reward that is not estimable is set to 0, so that its weight is 0.
        unit = values / scale * estimable
        named = zip(self.params.rewards, estimable, strict=True)
        context.facts["left_out"] = [name for name, is_estimable in named if not is_estimable]
        folds = group_folds(groups, self.params.folds, context.step_seed(self.name))
        common, local = np.zeros_like(unit), np.zeros_like(unit)
        neighbours = self._nearest_prompts(groups, context)
        for fold in np.unique(folds):
            training_mask, in_fold = voted_mask & (folds != fold), folds == fold
            start = np.zeros(unit.shape[1])
            if training_mask.any():
                numbers = np.unique(groups[training_mask], return_inverse=True)[1]
                fit = fit_vote_regression(unit[training_mask], numbers)
                start = fit.coefficients / fit.scale
            # Weights come from the other folds: a prompt must not choose its own.
            common[in_fold] = start
            # One Newton step from the common weights: see `local_weights`.
            prompt_weights = local_weights(
                unit[voted_mask], groups[voted_mask], neighbours, start, self.params.prior
            )
            local[in_fold] = prompt_weights[groups[in_fold]]
        better = self._prefer_local_weights(
            unit[voted_mask], common[voted_mask], local[voted_mask], scale, context
        )
        # Back in the original units of the rewards.
        return (local if better else common) / scale

    def _nearest_prompts(self, groups: NDArray[np.int64], context: Context) -> NDArray[np.int64]:
        """Return the (prompts, k) nearest other prompts, numbered as the groups are."""
        features = context.features
        first_pairs = np.unique(groups, return_index=True)[1]
        rows = features.index["prompt"][first_pairs]
        # Ascending rows can be read from a mapped table without a copy.
        order = np.argsort(rows, kind="stable")
        k = min(self.params.k, len(rows) - 1)
        if k < 1:
            return np.full((len(rows), 1), -1, dtype=np.int64)
        vectors = take_rows(features.vectors, rows[order])
        nearest = nearest_neighbours(vectors, k, EXACT_BELOW, context.step_seed(self.name))
        neighbours = np.empty_like(nearest.row_numbers)
        neighbours[order] = np.where(nearest.row_numbers >= 0, order[nearest.row_numbers], -1)
        return neighbours

    def _prefer_local_weights(
        self,
        unit: NDArray[np.float64],
        common: NDArray[np.float64],
        local: NDArray[np.float64],
        scale: NDArray[np.float64],
        context: Context,
    ) -> bool:
        """Return whether weights by prompt predict held-out votes better; record the facts."""
        if not len(unit):
            return False
        local_likelihood, common_likelihood = (
            log_expit((w * unit).sum(axis=1)) for w in (local, common)
        )
        gain = MeanDifference.of(local_likelihood - common_likelihood)
        names = list(self.params.rewards)
        context.facts["weights"] = dict(
            zip(names, (common.mean(axis=0) / scale).round(4).tolist(), strict=True)
        )
        context.facts.update(gain.facts("gain_of_weights_by_prompt"))
        context.facts["weights_by_prompt"] = gain.sure
        return gain.sure
