"""Several rewards combined into one, by weights that may depend on the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pydantic import Field, model_validator
from scipy.special import log_expit

from curate import HIGHER, Column, Context, Parameters, Scorer, suggestion
from curate.models.embed.local_weights import local_weights
from curate.models.embed.neighbours import EXACT_BELOW, nearest_others, take_rows
from curate.models.heads.folds import group_folds
from curate.models.heads.mean_gain import MeanDifference
from curate.models.heads.out_of_fold import vote_mask
from curate.models.heads.regression import estimable_columns, fit_vote_regression
from curate.models.text.attributes import Attribute, attribute_margins, attribute_status

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING = "a reward is missing"


class MultiRewardParams(Parameters):
    """Parameters of `multi_reward`."""

    rewards: dict[str, Attribute] = Field(
        min_length=1, description="Name and place of each reward or attribute."
    )
    weights: dict[str, float] | None = Field(
        None, description="Weight of each reward in its own unit; default learned from the votes."
    )
    k: int = Field(
        50, ge=1, description="Nearest other prompts whose votes make a prompt's weights."
    )
    prior: float = Field(
        20.0, gt=0, description="Votes' worth of belief in weights for all prompts."
    )
    folds: int = Field(5, ge=2, description="Folds by prompt, for the weights of all prompts.")

    @model_validator(mode="after")
    def _known(self) -> MultiRewardParams:
        for name in self.weights or {}:
            if name not in self.rewards:
                raise ValueError(f"weight of '{name}': {suggestion(name, self.rewards)}")
        return self


class MultiReward(Scorer[MultiRewardParams]):
    """Margin sum_k w_k (r_k(chosen) - r_k(rejected)); weights given, or learned from the votes.

    Learned weights are those of a Bradley-Terry regression on the other folds, moved for each
    prompt by the votes on the k nearest other prompts (one Newton step, `prior` votes' worth of
    belief in the common weights). Those by prompt are taken only where they predict held-out votes
    surely better. A reward that differs in fewer than ten prompts, or always one way, gets the
    weight 0. The paper trains an adapter on rewards of preferred answers; its weights are positive,
    these need not be.
    """

    name = "multi_reward"
    purpose = "rewards and models"
    when = (
        "When pairs carry several ratings or rewards. Weights that depend on the prompt "
        "predicted no better on any of our sets."
    )
    summary = "several rewards or attributes combined, by weights of the prompt's neighbourhood"
    reference = "PRO (Preference Orchestrator), arXiv 2511.10656; HelpSteer2, arXiv 2406.08673"
    Params = MultiRewardParams

    _names: tuple[str, ...] = ()

    def __init__(self, /, **parameters: Any) -> None:
        super().__init__(**parameters)
        self._names = tuple(self.params.rewards)
        self.needs_embeddings = self.from_labels = self.params.weights is None

    def columns(self) -> tuple[Column, ...]:
        """Margin and weights."""
        weights = (
            Column(f"weight_{name}", f"weight of {name}, in its own unit") for name in self._names
        )
        return (
            Column(
                "margin",
                "weighed margin of the label",
                "float",
                HIGHER,
                "nats if learned",
                evidence="none" if self.from_labels else "auto",
            ),
            *weights,
            Column("status", f"ok; tie, identical answers, or '{MISSING}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Margins of all pairs that have all rewards."""
        p = self.params
        where = f"scorer '{self.name}', rewards"
        values = attribute_margins(pairs, context, p.rewards, where)
        whole = np.isfinite(values).all(axis=1)
        if p.weights is not None:
            row = np.array([p.weights.get(name, 0.0) for name in p.rewards])
            weights = np.tile(row, (len(pairs), 1))
        else:
            known = whole & vote_mask(pairs, context)
            weights = self._learned(np.nan_to_num(values), known, pairs, context)
        margin = np.where(whole, (weights * np.nan_to_num(values)).sum(axis=1), np.nan)
        made = {"margin": pl.Series(margin).fill_nan(None)}
        made |= {f"weight_{n}": pl.Series(weights[:, i]) for i, n in enumerate(p.rewards)}
        return pl.DataFrame(made | {"status": attribute_status(pairs, context, values, MISSING)})

    def _learned(
        self,
        values: NDArray[np.float64],
        known: NDArray[np.bool_],
        pairs: pl.DataFrame,
        context: Context,
    ) -> NDArray[np.float64]:
        """(pairs, K) in the rewards' own units; no pair's prompt has a say in its weights."""
        groups = context.prompt_groups(pairs)
        # Rewards come in units of their own: one prior must fit them all.
        size = np.sqrt(np.square(values[known]).mean(axis=0)) if known.any() else 1.0
        scale = np.where(size > 0, size, 1.0)
        told = estimable_columns(values[known], np.unique(groups[known], return_inverse=True)[1])
        # A reward that tells nothing is left out by its values, so that its weight is 0.
        unit = values / scale * told
        named = zip(self.params.rewards, told, strict=True)
        context.facts["left_out"] = [name for name, can in named if not can]
        folds = group_folds(groups, self.params.folds, context.step_seed(self.name))
        common, local = np.zeros_like(unit), np.zeros_like(unit)
        neighbours = self._neighbours(groups, context)
        for fold in np.unique(folds):
            learned, own = known & (folds != fold), folds == fold
            start = np.zeros(unit.shape[1])
            if learned.any():
                numbers = np.unique(groups[learned], return_inverse=True)[1]
                fit = fit_vote_regression(unit[learned], numbers)
                start = fit.coefficients / fit.scale
            # Weights of the other folds: a prompt must not choose its own.
            common[own] = start
            moved = local_weights(unit[known], groups[known], neighbours, start, self.params.prior)
            local[own] = moved[groups[own]]
        better = self._tell(unit[known], common[known], local[known], scale, context)
        # In the units of the rewards as they came.
        return (local if better else common) / scale

    def _neighbours(self, groups: NDArray[np.int64], context: Context) -> NDArray[np.int64]:
        """(prompts, k) nearest other prompts, numbered as the groups are."""
        features = context.features
        first = np.unique(groups, return_index=True)[1]
        rows = features.index["prompt"][first]
        # Ascending rows are read from a mapped table without a copy.
        order = np.argsort(rows, kind="stable")
        k = min(self.params.k, len(rows) - 1)
        if k < 1:
            return np.full((len(rows), 1), -1, dtype=np.int64)
        vectors = take_rows(features.vectors, rows[order])
        found = nearest_others(vectors, k, EXACT_BELOW, context.step_seed(self.name))
        neighbours = np.empty_like(found.others)
        neighbours[order] = np.where(found.others >= 0, order[found.others], -1)
        return neighbours

    def _tell(
        self,
        unit: NDArray[np.float64],
        common: NDArray[np.float64],
        local: NDArray[np.float64],
        scale: NDArray[np.float64],
        context: Context,
    ) -> bool:
        """Whether weights by prompt predict held-out votes surely better; the facts."""
        if not len(unit):
            return False
        first, second = (log_expit((w * unit).sum(axis=1)) for w in (local, common))
        gain = MeanDifference.of(first - second)
        names = list(self.params.rewards)
        context.facts["weights"] = dict(
            zip(names, (common.mean(axis=0) / scale).round(4).tolist(), strict=True)
        )
        context.facts |= gain.facts("gain_of_weights_by_prompt")
        context.facts["weights_by_prompt"] = gain.sure
        return gain.sure
