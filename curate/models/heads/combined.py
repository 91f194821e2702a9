"""One held-out margin from several kinds of heads, weighted by the labels they predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from curate.models.heads.folds import group_folds
from curate.models.heads.label_noise import fit_label_noise
from curate.models.heads.nested import NestedFolds, first_round, make_nested, second_round
from curate.models.heads.out_of_fold import votes
from curate.steps.context import Context
from curate.steps.features import FeatureKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEMBERS: tuple[tuple[FeatureKind, float], ...] = (("both", 3.0), ("both", 30.0), ("length", 1.0))
"""Features and l2 of each member; with the two numbers below chosen on Auto-J and LLMBar alone."""
PRIOR_PAIRS = 1000.0
"""How strongly equal weights are believed; the data outweighs them from some thousand pairs on."""
_LEAST_WEIGHT = 0.3
"""Of the mean member, so that chance in few, noisy labels cannot turn all weights to 0."""
_REPEATS, _FOLDS = 4, 5


@dataclass(frozen=True)
class Combined:
    """Margins of all pairs.

    Attributes:
        margin: (pairs,) of both rounds, combined.
        plain: (pairs,) of the first round alone, in which nothing but the labels was learnt: what
            estimates of the noise rate rest on.
        weights: (2 members,) mean weights over folds, first round first.
    """

    margin: NDArray[np.float64]
    plain: NDArray[np.float64]
    weights: NDArray[np.float64]


def combined_margins(pairs: pl.DataFrame, context: Context) -> Combined:
    """Held-out margins of heads on embeddings with style at two strengths of l2, and on length.

    A first round of heads learns the labels as they stand; a second one learns soft labels, the
    posterior of each label under the first round's margins (one step of LCPO / RE-PO's EM, arXiv
    2509.24159). Folds are nested: what a second-round head learns was judged by heads that saw
    neither the judged pair nor the pairs that the second-round head will judge. The six members
    are weighted by a logistic regression of the labels on their margins, not negative, with a
    Gaussian prior around equal weights, fitted on the other folds. No gold label is used.
    """
    return context.shared("combined", lambda: _combine(pairs, context))


def _combine(pairs: pl.DataFrame, context: Context) -> Combined:
    voting = votes(pairs, context)
    folds = make_nested(pairs, context, _REPEATS, _FOLDS)
    rounds = [first_round(context, folds, kind, l2) for kind, l2 in MEMBERS]
    sizes = [float(r.held_out[voting].std()) or 1.0 for r in rounds]
    first = np.stack([r.held_out / s for r, s in zip(rounds, sizes, strict=True)], axis=1)
    plain, weights = _stacked(first, pairs, context)
    noise = fit_label_noise(plain[voting])
    scaled = (w / s * r.nested for w, s, r in zip(weights, sizes, rounds, strict=True))
    belief = noise.posterior(np.sum(list(scaled), axis=0))
    second = _second(context, folds, belief, voting)
    margin, weights = _stacked(np.concatenate([first, second], axis=1), pairs, context)
    return Combined(margin, plain, weights)


def _second(
    context: Context, folds: NestedFolds, belief: NDArray[np.float64], voting: NDArray[np.bool_]
) -> NDArray[np.float64]:
    margins = [second_round(context, folds, kind, l2, belief) for kind, l2 in MEMBERS]
    return np.stack([m / (float(m[voting].std()) or 1.0) for m in margins], axis=1)


def _stacked(
    members: NDArray[np.float64], pairs: pl.DataFrame, context: Context
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cross-fitted combination (pairs,), and the mean weights (members,)."""
    voting, groups = votes(pairs, context), context.prompt_groups(pairs)
    folds = group_folds(groups, _FOLDS, context.step_seed("combined"))
    margin, weights = np.zeros(len(members)), []
    for fold in np.unique(folds):
        fitted = stack_weights(members[voting & (folds != fold)], PRIOR_PAIRS)
        margin[folds == fold] = members[folds == fold] @ fitted
        weights.append(fitted)
    return margin, np.mean(weights, axis=0)


def stack_weights(members: NDArray[np.float64], prior: float) -> NDArray[np.float64]:
    """Weights w >= 0 that maximise sum log sigma(members @ w) - prior / 2 |w - c|^2.

    c is the equal weight of greatest likelihood, at least 0.3 in sum. `members` are (pairs,
    members) margins of the observed labels, each of standard deviation about 1.
    """
    count = members.shape[1]
    mean = members.mean(axis=1)

    def equal_loss(weight: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = weight[0] * mean
        return -float(log_expit(z).sum()), np.array([-(mean * expit(-z)).sum()])

    equal = minimize(
        equal_loss, [1.0], jac=True, bounds=[(_LEAST_WEIGHT, 50.0)], method="L-BFGS-B"
    ).x[0]
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
