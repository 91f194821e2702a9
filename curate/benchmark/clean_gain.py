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

Neither e nor the worth of heads and evidence is known, and they go together: either many labels
are wrong and heads predict the rest well, or few are and heads know little. So x and e are taken at
some points of their common posterior, and all else is done at each. A gain is nearly as sure at
each of these points, though it is larger where more labels are wrong: its interval is that of the
mixture, not of a normal distribution with the same variance, which would reach below zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats
from scipy.special import log_expit, logsumexp

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPREAD = 0.7
"""Standard deviation of c, nats; chosen on Auto-J and LLMBar, where it is .6 with 40 % flips."""
_INDEPENDENT_SHARE = 0.5
"""Weight of a label in the posterior of c. Held-out folds train each other's heads: where noise
turns these in a common direction, the noise of two folds is tested on each other, and their sum
varies up to twice as much as that of independent labels (on AlpacaEval it does)."""
# Beyond four deviations lies 6e-5 of a normal prior.
_NODES = np.linspace(-4.0, 4.0, 81)
"""Integration nodes of c, in standard deviations of its prior."""
_MIN_MASS = 1e-7
_MIN_ERROR = 1e-9
"""Points of less mass, and sampling errors of less, do not count."""


@dataclass(frozen=True)
class LabelTruth:
    """What is known of the truth behind each label of a dataset.

    Each column is one point of the posterior of what is not known: the flip rate, and the worth of
    heads and evidence.

    Attributes:
        other_log_odds: (pairs, points) log odds that the label names the better answer, from
            everything but the label.
        label_log_odds: (pairs, points) what the label alone says: log odds that it is not flipped.
        mass: (points,) posterior probability of each point.
        judgements: (pairs,) 1 where a person found the label right, -1 where wrong, 0 where nobody
            reviewed it.
    """

    other_log_odds: NDArray[np.float64]
    label_log_odds: NDArray[np.float64]
    mass: NDArray[np.float64]
    judgements: NDArray[np.int8]

    def take(self, rows: NDArray[np.int64]) -> LabelTruth:
        """Return the truth of some pairs."""
        return LabelTruth(
            self.other_log_odds[rows], self.label_log_odds[rows], self.mass, self.judgements[rows]
        )


@dataclass(frozen=True)
class PossibleMeans:
    """What a mean may be on clean labels: a distribution over points.

    Attributes:
        values: (points,) the mean at each point.
        mass: (points,) probability of each; they sum to 1.
    """

    values: NDArray[np.float64]
    mass: NDArray[np.float64]

    @classmethod
    def certain(cls, value: float) -> PossibleMeans:
        """Return the distribution of a mean that is known."""
        return cls(np.array([value]), np.ones(1))

    @classmethod
    def normal(cls, mean: float, variance: float) -> PossibleMeans:
        """Return a normal distribution, on the nodes of c."""
        mass = np.exp(-0.5 * np.square(_NODES))
        return cls(mean + np.sqrt(variance) * _NODES, mass / mass.sum())

    @property
    def variance(self) -> float:
        """Variance over the points."""
        mean = float(self.values @ self.mass)
        return float(np.square(self.values - mean) @ self.mass)

    def share_below(self, value: float, error: float, freedom: float) -> float:
        """Return P(mean < value), with a sampling error of Student's t distribution."""
        below = stats.t.cdf((value - self.values) / max(error, _MIN_ERROR), freedom)
        return float(below @ self.mass)

    def quantile(self, share: float, error: float, freedom: float) -> float:
        """Return the value below which this share lies, with the same sampling error."""
        reach = abs(float(stats.t.ppf(share, freedom))) * max(error, _MIN_ERROR)
        # At these ends every point has less, or more, than the share below.
        low, high = float(self.values.min()) - reach, float(self.values.max()) + reach
        return float(
            optimize.brentq(
                lambda value: self.share_below(value, error, freedom) - share,
                low - _MIN_ERROR,
                high + _MIN_ERROR,
            )
        )


@dataclass(frozen=True)
class CleanDifference:
    """How a method differs from keeping all on clean labels.

    Attributes:
        expected: (pairs,) expected difference of each pair, -1 to 1.
        means: what their mean may be, since neither c nor the flip rate is known.
    """

    expected: NDArray[np.float64]
    means: PossibleMeans


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
        return CleanDifference(expected, PossibleMeans.certain(0.0))
    weights = _INDEPENDENT_SHARE * (np.ones(len(moved)) if weight is None else weight[moved])
    d, labels = difference[moved], truth.take(moved)
    sums, masses = [], []
    columns = zip(truth.mass, labels.other_log_odds.T, labels.label_log_odds.T, strict=True)
    for share, other, label in columns:
        logits = other[:, None] + spread * d[:, None] * _NODES
        mass, right = _average_nodes(logits, label[:, None], labels.judgements[:, None], weights)
        # The difference on the true label: a wrong label turns its sign.
        values = d[:, None] * (2.0 * right - 1.0)
        expected[moved] += share * (values @ mass)
        sums.append(values.sum(axis=0))
        masses.append(share * mass)
    means, mass = np.concatenate(sums) / len(difference), np.concatenate(masses)
    counted = mass > _MIN_MASS
    mass = mass[counted] / mass[counted].sum()
    return CleanDifference(expected, PossibleMeans(means[counted], mass))


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
