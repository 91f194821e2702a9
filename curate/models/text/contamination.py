"""Estimates of the share of labels that a model disbelieves: ambiguity counts as noise here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def holder_contamination(probability: NDArray[np.float64], gamma: float = 2.0) -> float:
    """Return Hoelder-DPO's 1 - xi, xi = mean(p) sum p^g / sum p^(1 + g), in [0, 1] (arXiv
    2505.17859).

    0 where all p are equal. It charges genuine ambiguity as noise: zero flips and calibrated
    margins of N(0, 1) give 0.15 at gamma = 2. The paper's equation 11 was read second-hand.

    Args:
        probability: (pairs,) held-out probability of the observed label.
        gamma: exponent, larger than 0.
    """
    p = probability
    total = np.power(p, 1.0 + gamma).sum()
    if len(p) == 0 or total == 0:
        return float("nan")
    # xi = mean(p) sum p^gamma / sum p^(1 + gamma); by Chebyshev's inequality it is at most 1.
    return float(1.0 - p.mean() * np.power(p, gamma).sum() / total)


def confident_learning_rate(probability: NDArray[np.float64]) -> float:
    """Return confident learning's off-diagonal mass on pairs in both orders (arXiv 1911.00068).

    Both class thresholds are t = mean p, so the rate is #{p <= 1 - t} / (#{p <= 1 - t} +
    #{p >= t}); NaN where t <= 1/2, as the model then knows nothing. Biased upwards by ambiguity.

    Args:
        probability: (pairs,) held-out probability of the observed label.
    """
    threshold = float(probability.mean()) if len(probability) else 0.0
    if threshold <= 0.5:
        return float("nan")
    wrong = int((probability <= 1.0 - threshold).sum())
    right = int((probability >= threshold).sum())
    return wrong / (wrong + right)


def lowest_share_mask(values: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """Return True for the floor(n share) smallest values; equal ones in order."""
    flags = np.zeros(len(values), dtype=bool)
    # 0.29 * 100 is 28.999999999999996: without the margin one value would be missing.
    flags[np.argsort(values, kind="stable")[: int(np.floor(len(values) * share + 1e-9))]] = True
    return flags
