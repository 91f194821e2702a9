"""What a method gains on clean labels, estimated from held-out labels that may be wrong.

Two heads rank a held-out pair differently; the label sides with one of them, and is itself wrong
with some probability. Counting only labels shrinks a gain by 1 - 2 e and drowns it in noise at
high rates. So each pair counts by the posterior of its label. That posterior rests on heads too,
and a method which follows these heads would confirm itself. Therefore the pairs on which the two
heads differ get a log odds of their own: with d = 1 where the method sides with the label and keep
all does not, -1 the other way round, and 0 where they agree,

    log P(label names the better answer) / P(it does not) = x + c d,      c ~ N(0, spread^2),

where x is what other prompts' labels, votes and evidence say. The labels of these pairs, each wrong
with probability e, give the posterior of c. Clean labels decide by themselves; the noisier they
are, the more x decides, and the wider the interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_expit, logsumexp

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPREAD = 1.5
"""Standard deviation of c, nats; chosen on Auto-J and LLMBar."""
# Beyond four deviations lies 6e-5 of a normal prior.
_NODES = np.linspace(-4.0, 4.0, 81)
"""Integration nodes of c, in standard deviations of its prior."""
_RATE_WEIGHTS = (1 / 6, 2 / 3, 1 / 6)
"""Weights of the flip rate's lower limit, mean and upper limit: three nodes of a normal."""


@dataclass(frozen=True)
class LabelTruth:
    """What is known of the truth behind each label of a dataset.

    Attributes:
        other_log_odds: (pairs,) log odds that the label names the better answer, from everything
            but the label.
        label_log_odds: (pairs, 3) log odds that a label is not flipped, at the lower limit, the
            mean and the upper limit of the flip rate.
        judgements: (pairs,) 1 where a person found the label right, -1 where wrong, 0 where nobody
            reviewed it.
    """

    other_log_odds: NDArray[np.float64]
    label_log_odds: NDArray[np.float64]
    judgements: NDArray[np.int8]

    def take(self, rows: NDArray[np.int64]) -> LabelTruth:
        """Return the truth of some pairs."""
        return LabelTruth(
            self.other_log_odds[rows], self.label_log_odds[rows], self.judgements[rows]
        )


@dataclass(frozen=True)
class CleanDifference:
    """How a method differs from keeping all on clean labels.

    Attributes:
        expected: (pairs,) expected difference of each pair, -1 to 1.
        variance: variance of their mean, since neither c nor the flip rate is known.
    """

    expected: NDArray[np.float64]
    variance: float


def clean_difference(
    difference: NDArray[np.float64],
    truth: LabelTruth,
    weight: NDArray[np.float64] | None = None,
    spread: float = SPREAD,
) -> CleanDifference:
    """Return the expected difference on clean labels.

    Args:
        difference: (tests,) how much more often the method sides with the label than keeping all
            does, -1 to 1.
        truth: truth behind the labels of the same tests.
        weight: (tests,) of each label: a pair that is tested twice has one label; default 1.
        spread: standard deviation of c.
    """
    # Where both heads agree the difference is 0 whatever the truth is, and no posterior is needed.
    expected, moved = np.zeros(len(difference)), np.flatnonzero(difference)
    if not len(moved):
        return CleanDifference(expected, 0.0)
    weights = np.ones(len(moved)) if weight is None else weight[moved]
    d, labels = difference[moved], truth.take(moved)
    logits = labels.other_log_odds[:, None] + spread * d[:, None] * _NODES
    means, total, square = np.zeros(len(moved)), 0.0, 0.0
    for share, odds in zip(_RATE_WEIGHTS, labels.label_log_odds.T, strict=True):
        mass, right = _average_nodes(logits, odds[:, None], labels.judgements[:, None], weights)
        # The difference on the true label: a wrong label turns its sign.
        values = d[:, None] * (2.0 * right - 1.0)
        sums = values.sum(axis=0)
        means += share * (values @ mass)
        total += share * float(sums @ mass)
        square += share * float(np.square(sums) @ mass)
    expected[moved] = means
    # The variance over c and the flip rate; rounding can bring it just below 0.
    return CleanDifference(expected, max(square - total**2, 0.0) / len(difference) ** 2)


def _average_nodes(
    logits: NDArray[np.float64],
    odds: NDArray[np.float64],
    judgements: NDArray[np.int8],
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the posterior mass of each node of c, (nodes,), and P(label right) there, (tests,
    nodes).
    """
    right = log_expit(odds) + log_expit(logits)
    wrong = log_expit(-odds) + log_expit(-logits)
    unjudged = np.logaddexp(right, wrong)
    log_likelihood = np.where(judgements == 0, unjudged, np.where(judgements > 0, right, wrong))
    log_mass = weights @ log_likelihood - 0.5 * np.square(_NODES)
    probability = np.where(judgements == 0, np.exp(right - unjudged), judgements > 0)
    mass: NDArray[np.float64] = np.exp(log_mass - logsumexp(log_mass))
    return mass, probability
