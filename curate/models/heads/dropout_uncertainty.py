"""Uncertainty of a binary label over networks that dropout samples: mean, variance, BALD, votes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import entr, expit, ndtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NODES = 15
"""Of Gauss-Hermite quadrature: 1e-8 off where margins spread by 1 nat, 1e-4 where by 2."""


def normal_uncertainty(
    mean: NDArray[np.float64], spread: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return `label_uncertainty` of (pairs,) margins that are normal.

    Args:
        mean: the mean of each margin.
        spread: its standard deviation.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    # hermegauss integrates against exp(-x^2 / 2), whose mass is sqrt(2 pi) and not 1.
    weights /= weights.sum()
    return label_uncertainty(expit(mean[:, None] + spread[:, None] * nodes), weights)


def agreement_share(mean: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return share of networks whose margin is above 0, of margins that are normal, (pairs,)."""
    # A margin without spread is positive in all networks or in none.
    sure = np.divide(mean, spread, out=np.copysign(np.inf, mean), where=spread > 0)
    votes: NDArray[np.float64] = ndtr(np.where(mean == 0.0, 0.0, sure))
    return votes


def label_uncertainty(
    probability: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Return mean, variance and BALD over passes of (pairs, passes) probabilities of a binary
    label.

    Args:
        probability: of the label.
        weights: (passes,) that add up to 1; default all alike.
    """
    passes = probability.shape[1]
    each = np.full(passes, 1.0 / passes) if weights is None else weights
    mean = probability @ each
    # BALD is the mutual information H(mean p) - mean H(p) (UPO, arXiv 2409.11212).
    expected = _binary_entropy(probability) @ each
    return {
        "probability": mean,
        "variance": np.square(probability - mean[:, None]) @ each,
        # Rounding can leave a mutual information of -1e-17.
        "bald": np.maximum(_binary_entropy(mean) - expected, 0.0),
    }


def _binary_entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    # scipy's entr is 0 at 0, where p log p would give NaN for a sure label.
    values: NDArray[np.float64] = entr(p) + entr(1.0 - p)
    return values
