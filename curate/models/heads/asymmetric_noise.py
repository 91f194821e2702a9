"""Flips that go one way more often than the other, as between the slots that a judge sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from curate.models.heads.label_noise import SCALE_BOUNDS, fit_label_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

# At one half a label says nothing, and the likelihood is flat.
_MOST = 0.499
# So that the log of an underflow is no infinity.
_TINY = 1e-300


@dataclass(frozen=True)
class AsymmetricNoise:
    """Class-conditional label noise of two classes, "first wins" and "second wins".

    Attributes:
        first_lost: probability that a win of the first answer is recorded as one of the second.
        second_lost: the reverse.
        scale: inverse temperature of the margins.
    """

    first_lost: float
    second_lost: float
    scale: float

    def right(self, margins: NDArray[np.float64], first: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Posterior that each observed label is right, given margins of the observed label."""
        kept, made = _likelihoods(self.first_lost, self.second_lost, self.scale * margins, first)
        found: NDArray[np.float64] = kept / np.maximum(kept + made, _TINY)
        return found

    def rate(self, margins: NDArray[np.float64], first: NDArray[np.bool_]) -> float:
        """Expected share of wrong labels."""
        return float(1.0 - self.right(margins, first).mean()) if len(margins) else 0.0


def fit_asymmetric(margins: NDArray[np.float64], first: NDArray[np.bool_]) -> AsymmetricNoise:
    """Both flip rates and the scale of greatest likelihood (Natarajan et al. 2013's noise model).

    P(first recorded) = p (1 - first_lost) + (1 - p) second_lost, with p = sigma(scale m) that the
    first answer is preferred. Rates are told apart by where the labels' frequency levels off at
    large margins of either sign.

    Args:
        margins: (pairs,) held-out margins of the observed labels.
        first: (pairs,) whether the observed winner is the first answer.
    """
    plain = fit_label_noise(margins)
    start = np.array([np.log(plain.scale), min(plain.rate, 0.45), min(plain.rate, 0.45)])

    def loss(point: NDArray[np.float64]) -> float:
        kept, made = _likelihoods(point[1], point[2], np.exp(point[0]) * margins, first)
        return -float(np.log(np.maximum(kept + made, _TINY)).mean())

    bounds = (SCALE_BOUNDS, (1e-3, _MOST), (1e-3, _MOST))
    starts = (start, np.array([start[0], 0.05, 0.3]), np.array([start[0], 0.3, 0.05]))
    fits = [minimize(loss, s, method="L-BFGS-B", bounds=bounds) for s in starts]
    best = min(fits, key=lambda fit: float(fit.fun))
    return AsymmetricNoise(float(best.x[1]), float(best.x[2]), float(np.exp(best.x[0])))


def _likelihoods(
    first_lost: float,
    second_lost: float,
    scaled: NDArray[np.float64],
    first: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of the observed label: it is the true one and was kept; the other is, and was recorded so."""
    own = np.where(first, first_lost, second_lost)
    other = np.where(first, second_lost, first_lost)
    return expit(scaled) * (1.0 - own), expit(-scaled) * other
