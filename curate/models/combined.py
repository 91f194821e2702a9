"""One held-out margin from several kinds of heads, weighted by the labels they predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from curate.context import Context
from curate.models.features import FeatureKind
from curate.models.folds import group_folds
from curate.models.heads import HeadSpec
from curate.models.out_of_fold import train_out_of_fold, trainable

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEMBERS: tuple[tuple[FeatureKind, float], ...] = (("both", 3.0), ("both", 30.0), ("length", 1.0))
"""Features and l2 of each member; with the prior below chosen on Auto-J and LLMBar alone."""
PRIOR_PAIRS = 300.0
"""How strongly equal weights are believed; the data outweighs them from some thousand pairs on."""
_REPEATS, _FOLDS = 4, 5


@dataclass(frozen=True)
class Combined:
    """Margins of all pairs.

    Attributes:
        margin: (pairs,) combined, calibrated by its weights.
        members: (pairs, members) margins, each of standard deviation 1.
        weights: (members,) mean weights over folds.
    """

    margin: NDArray[np.float64]
    members: NDArray[np.float64]
    weights: NDArray[np.float64]


def combined_margins(pairs: pl.DataFrame, context: Context) -> Combined:
    """Held-out margins of heads on embeddings with style at two strengths of l2, and on length.

    The weights are those of a logistic regression of the labels on the margins, not negative, with
    a Gaussian prior around equal weights, fitted on the other folds; no gold label is used.
    """
    return context.shared("combined", lambda: _combine(pairs, context))


def _combine(pairs: pl.DataFrame, context: Context) -> Combined:
    margins = [
        train_out_of_fold(pairs, context, HeadSpec(l2=l2), _REPEATS, _FOLDS, kind).margins().mean(1)
        for kind, l2 in MEMBERS
    ]
    votes = trainable(pairs)
    members = np.stack([m / (m[votes].std() or 1.0) for m in margins], axis=1)
    groups = context.prompt_groups(pairs)
    folds = group_folds(groups, _FOLDS, context.step_seed("combined"))
    margin, weights = np.zeros(len(pairs)), []
    for fold in np.unique(folds):
        fitted = stack_weights(members[votes & (folds != fold)], PRIOR_PAIRS)
        margin[folds == fold] = members[folds == fold] @ fitted
        weights.append(fitted)
    return Combined(margin, members, np.mean(weights, axis=0))


def stack_weights(members: NDArray[np.float64], prior: float) -> NDArray[np.float64]:
    """Weights w >= 0 that maximise sum log sigma(members @ w) - prior / 2 |w - c|^2.

    c is the equal weight of greatest likelihood. `members` are (pairs, members) margins of the
    observed labels, each of standard deviation about 1.
    """
    count = members.shape[1]
    mean = members.mean(axis=1)

    def equal_loss(weight: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = weight[0] * mean
        return -float(log_expit(z).sum()), np.array([-(mean * expit(-z)).sum()])

    equal = minimize(equal_loss, [1.0], jac=True, bounds=[(1e-3, 50.0)], method="L-BFGS-B").x[0]
    centre = np.full(count, equal / count)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z, off = members @ weights, weights - centre
        value = -float(log_expit(z).sum()) + prior / 2.0 * float(off @ off)
        return value, -(members * expit(-z)[:, None]).sum(axis=0) + prior * off

    bounds = [(0.0, None)] * count
    weights: NDArray[np.float64] = minimize(
        loss, centre, jac=True, bounds=bounds, method="L-BFGS-B"
    ).x
    return weights
