"""Flips that go one way more often than the other, as between the slots that a judge sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from curate.scoring import batch_slices
from curate.scoring.heads import normalised

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RATES = np.array([0.002, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.49])
_SCALES = np.exp(np.linspace(-1.5, 1.5, 9))
_SCALE_SPREAD = 0.5
"""Of the log of the scale, around that of the common flip rate."""
_MIN_MASS = 1e-5
_BLOCK = 1 << 14
_TINY = 1e-300


@dataclass(frozen=True)
class SlotRates:
    """The posterior of class-conditional label noise (Natarajan et al. 2013).

    Attributes:
        mass: (scales, rates, rates) posterior of the scale of the log odds, of the probability
            that a win of the first answer is recorded as one of the second, and of the reverse.
    """

    mass: NDArray[np.float64]

    @property
    def first_lost(self) -> float:
        """Posterior mean of the probability that a win of the first answer is lost."""
        return float(self.mass.sum(axis=(0, 2)) @ _RATES)

    @property
    def second_lost(self) -> float:
        """Posterior mean of the probability that a win of the second answer is lost."""
        return float(self.mass.sum(axis=(0, 1)) @ _RATES)

    def label_right(
        self, logits: NDArray[np.float64], first: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """P(label right), (labels,).

        Args:
            logits: (labels,) log odds of the truth, by all but the label itself.
            first: (labels,) whether the recorded winner is the first answer.
        """
        right = np.zeros(len(logits))
        for scale, i, j in zip(*np.nonzero(self.mass > _MIN_MASS), strict=True):
            as_labelled, exchanged = _likelihoods(
                _SCALES[scale] * logits, first, _RATES[i], _RATES[j]
            )
            right += (
                self.mass[scale, i, j] * as_labelled / np.maximum(as_labelled + exchanged, _TINY)
            )
        return right / float(self.mass[self.mass > _MIN_MASS].sum())


def slot_rates(logits: NDArray[np.float64], first: NDArray[np.bool_]) -> SlotRates:
    """Both flip rates, averaged with the scale of the log odds.

    P(first recorded) = p (1 - first_lost) + (1 - p) second_lost, with the probability p that the
    first answer is preferred. Both rates e have 2e ~ Beta(1, 2).
    """
    log_prior = np.log(np.gradient(_RATES)) + np.log(1.0 - 2.0 * _RATES)
    total = np.zeros((len(_SCALES), len(_RATES), len(_RATES)))
    total += log_prior[:, None] + log_prior
    total -= 0.5 * (np.log(_SCALES)[:, None, None] / _SCALE_SPREAD) ** 2
    for k, scale in enumerate(_SCALES):
        for rows in batch_slices(len(logits), _BLOCK):
            for winner in (True, False):
                some = logits[rows][first[rows] == winner]
                p = expit(scale * some)[:, None]
                total[k] += _log_recorded(p, winner)
    return SlotRates(normalised(total))


def _log_recorded(p: NDArray[np.float64], first: bool) -> NDArray[np.float64]:
    """Log likelihood of labels that all name the first (or the second) answer, (rates, rates)."""
    out = np.empty((len(_RATES), len(_RATES)))
    for i, lost in enumerate(_RATES):
        # `lost`: of the recorded answer's wins; columns: of the other answer's wins.
        likelihood = p * (1.0 - lost) + (1.0 - p) * _RATES
        out[i] = np.log(np.maximum(likelihood, _TINY)).sum(axis=0)
    return out if first else out.T


def _likelihoods(
    logits: NDArray[np.float64],
    first: NDArray[np.bool_],
    first_lost: float,
    second_lost: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of the recorded winner: it won and was recorded so; the other one won and was not."""
    own_lost = np.where(first, first_lost, second_lost)
    other_lost = np.where(first, second_lost, first_lost)
    return expit(logits) * (1.0 - own_lost), expit(-logits) * other_lost
