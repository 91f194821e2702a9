"""Which pairs people should judge, learned where both people and a model have judged.

Hybrid Preferences (Miranda et al. 2024, arXiv 2410.19133, section 3): draw mixtures of the two
sources, train a reward model on each, regress its performance on how many pairs of each feature
people judged, and route the pairs of greatest predicted gain. The reward models are linear heads on
embeddings, all mixtures solved as one batch; performance is the mean probability of people's
labels on held-out prompts (the paper trains large models and takes accuracy on RewardBench).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from scipy.special import expit
from sklearn.linear_model import RidgeCV

from curate.models.heads.folds import group_folds
from curate.models.heads.linear import solve_heads

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Candidate policies: tastes drawn at random, and plain draws beside which they must win.
_MIXTURES, _RANDOM = 400, 20
# Folds that are held out, and the prior of heads on the judged pairs.
_TESTED, _L2 = 3, 10.0
_PENALTIES = np.geomspace(1e-4, 1e2, 13)
MIN_DOUBLY_JUDGED = 200
"""Pairs with both judgements below which nothing is fitted."""


@dataclass(frozen=True)
class RoutingSample:
    """Pairs of answers on which people and a model voted.

    Attributes:
        difference: (pairs, dim) features of the first answer minus those of the second.
        people: (pairs,) whether people prefer the first.
        model: (pairs,) whether the model does.
        groups: (pairs,) number of each pair's prompt.
        bins: feature bins of each pair; see `curate.people.routing_features.tercile_bins`.
    """

    difference: NDArray[np.float32]
    people: NDArray[np.bool_]
    model: NDArray[np.bool_]
    groups: NDArray[np.int64]
    bins: pl.DataFrame

    def part(self, rows: NDArray[np.bool_]) -> RoutingSample:
        """Return the pairs of these rows."""
        return RoutingSample(
            self.difference[rows],
            self.people[rows],
            self.model[rows],
            self.groups[rows],
            self.bins.filter(pl.Series(rows)),
        )


@dataclass(frozen=True)
class RouteFit:
    """What was learned, and what it finds on held-out prompts.

    Attributes:
        coefficients: gain of each bin, such as `overlap=high`, for `curate route --gains`.
        explained: share of the variance of performance over mixtures that bins explain,
            cross-validated; about 0: routing by these features does nothing.
        predicted: performance of the routed mixture by the regression.
        held_out: accuracy on people's labels of unseen prompts, of heads on `all_model`,
            `all_people`, `routed`, `random` (mean of 20 draws) at the same budget, and `oracle`
            (pairs on which both differ come first).
        budget: share of the pairs that people judge.
    """

    coefficients: dict[str, float]
    explained: float
    predicted: float
    held_out: dict[str, float]
    budget: float


def fit_routing(sample: RoutingSample, budget: float, seed: int = 0) -> RouteFit:
    """Learn gains on two thirds of the prompts, half of them held out; test on the last third.

    Args:
        sample: pairs with both votes.
        budget: share of the pairs that people can judge.
        seed: of splits and mixtures.
    """
    # By prompt: gains measured on the prompts that they were learned from would be too large.
    fold = group_folds(sample.groups, _TESTED, seed)
    fitted, test = sample.part(fold != 0), sample.part(fold == 0)
    half = group_folds(fitted.groups, 2, seed + 1)
    train, held_out = fitted.part(half == 0), fitted.part(half == 1)
    rng = np.random.default_rng(seed)
    names, design = _bin_indicators(train.bins)
    mixtures = _draw_mixtures(design, rng)
    shares = mixtures.T.astype(np.float64) @ design / len(design)
    performance = _mean_probability(_fit_heads(train, mixtures), held_out)
    # A ridge: the shares of a feature's bins add up to the same sum, so they are collinear.
    model = RidgeCV(_PENALTIES).fit(shares, performance)
    explained = float(RidgeCV(_PENALTIES, scoring="r2").fit(shares, performance).best_score_)
    gains = design @ model.coef_
    # Pairs of the same bins have the same gain: noise breaks such ties at random, not by row.
    routed = _largest_share(gains + 1e-9 * rng.random(len(gains)), budget)
    tried = _compared_mixtures(train, routed, budget, rng)
    accuracy = _held_out_accuracy(_fit_heads(train, np.stack(list(tried.values()), axis=1)), test)
    predicted = model.predict((routed.astype(np.float64) @ design / len(design))[None])[0]
    return RouteFit(
        {name: round(float(c), 6) for name, c in zip(names, model.coef_, strict=True)},
        round(explained, 4),
        round(float(predicted), 4),
        _mean_of_random(dict(zip(tried, accuracy.tolist(), strict=True))),
        budget,
    )


def _mean_of_random(accuracies: dict[str, float]) -> dict[str, float]:
    """Return accuracies by mixture, of the random ones their mean, to four digits."""
    random = [value for name, value in accuracies.items() if name.startswith("random")]
    named = {name: v for name, v in accuracies.items() if not name.startswith("random")}
    return {name: round(v, 4) for name, v in (named | {"random": float(np.mean(random))}).items()}


def _bin_indicators(bins: pl.DataFrame) -> tuple[list[str], NDArray[np.float64]]:
    """Return names and indicators of all bins, (pairs, bins)."""
    columns = {
        f"{name}={level}": (bins[name] == level).to_numpy()
        for name in bins.columns
        for level in sorted(bins[name].unique())
    }
    return list(columns), np.stack(list(columns.values()), axis=1).astype(np.float64)


def _draw_mixtures(design: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return whether people judge each pair in each mixture, (pairs, mixtures).

    Each mixture prefers bins at random, so that shares of bins vary apart from each other: pairs
    drawn one by one would give every bin the same share.
    """
    taste = rng.normal(size=(design.shape[1], _MIXTURES))
    urge = design @ taste + rng.normal(size=(len(design), _MIXTURES))
    share = rng.random(_MIXTURES)
    limits = np.array([np.quantile(urge[:, k], 1.0 - share[k]) for k in range(_MIXTURES)])
    return urge > limits


def _fit_heads(train: RoutingSample, people: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fit heads (dim, mixtures) on people's labels where they judge, else the model's."""
    size = np.sqrt(np.square(train.difference).sum(axis=1).mean()) or 1.0
    scaled = train.difference / size
    both = np.concatenate(
        [np.where(label[:, None], scaled, -scaled) for label in (train.people, train.model)]
    )
    weights = torch.from_numpy(np.concatenate([people, ~people]))
    chosen = torch.from_numpy(both.astype(np.float32))
    solved = solve_heads(chosen, torch.zeros_like(chosen), weights, _L2).double().numpy()
    heads: NDArray[np.float64] = solved / size
    return heads


def _held_out_margins(heads: NDArray[np.float64], held_out: RoutingSample) -> NDArray[np.float64]:
    """Return margins of people's labels, (pairs, mixtures)."""
    sign = np.where(held_out.people, 1.0, -1.0)[:, None]
    margins: NDArray[np.float64] = sign * (held_out.difference.astype(np.float64) @ heads)
    return margins


def _mean_probability(heads: NDArray[np.float64], held_out: RoutingSample) -> NDArray[np.float64]:
    """Return mean probability of people's labels, (mixtures,): smoother than accuracy."""
    probabilities: NDArray[np.float64] = expit(_held_out_margins(heads, held_out)).mean(axis=0)
    return probabilities


def _held_out_accuracy(heads: NDArray[np.float64], held_out: RoutingSample) -> NDArray[np.float64]:
    accuracies: NDArray[np.float64] = (_held_out_margins(heads, held_out) > 0).mean(axis=0)
    return accuracies


def _largest_share(urge: NDArray[np.float64], budget: float) -> NDArray[np.bool_]:
    """Return a mask of the share `budget` of the pairs with the largest urge."""
    # Ranks, so that equal urges do not take more than the budget.
    rank = np.argsort(np.argsort(-urge, kind="stable"))
    return rank < round(budget * len(urge))


def _compared_mixtures(
    train: RoutingSample, routed: NDArray[np.bool_], budget: float, rng: np.random.Generator
) -> dict[str, NDArray[np.bool_]]:
    """Return the mixtures to compare: which pairs people judge."""
    count = len(train.people)
    # The oracle sends people where the model is wrong; noise breaks ties.
    differ = (train.people != train.model) + 0.5 * rng.random(count)
    mixtures = {
        "all_model": np.zeros(count, dtype=bool),
        "all_people": np.ones(count, dtype=bool),
        "routed": routed,
        "oracle": _largest_share(differ, budget),
    }
    return mixtures | {
        f"random {k}": _largest_share(rng.random(count), budget) for k in range(_RANDOM)
    }
