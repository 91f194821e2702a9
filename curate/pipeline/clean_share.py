"""What clean labels would look like, by the posterior of the labels that there are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.steps.findings import CleanShare

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NORMAL = 1.96
"""Standard errors to either end of a 95 % interval."""


def clean_share(
    signs: NDArray[np.integer[Any]],
    right: NDArray[np.float64],
    groups: NDArray[np.int64],
    fewest: int = 1,
    flip_rate: tuple[float, float] | None = None,
) -> CleanShare | None:
    """Return the expected share of pairs whose right answer has the trait, among those that differ.

    The right answer has it with q = p where the chosen one has it, 1 - p where the rejected one
    has it; p is the posterior of the label. The variance is that of a mean over prompts, which
    are a sample of all prompts, plus q (1 - q) of each pair:
    sum_g r_g^2 G / ((G - 1) n^2) + sum q (1 - q) / n^2 with r_g = sum_{i in g} (q_i - mean).
    The posterior of single pairs hides that the flip rate e is uncertain for all of them at once:
    with random flips the labels' own share is s = c (1 - e) + (1 - c) e, so that the interval also
    reaches to c = (s - e) / (1 - 2e) at both ends of e. It holds as far as the posterior is right.

    Args:
        signs: (pairs,) above 0 where the chosen answer has the trait, below 0 where the rejected
            one has it, 0 where both are alike.
        right: (pairs,) P(the label is right), NaN where it is unknown.
        groups: (pairs,) number of each pair's prompt, not negative.
        fewest: pairs that are needed.
        flip_rate: interval of the flip rate, below 1/2; None: none is known.

    Returns:
        The share; None of fewer pairs.
    """
    has_posterior = (signs != 0) & np.isfinite(right)
    count = int(has_posterior.sum())
    if count < fewest:
        return None
    q = np.where(signs > 0, right, 1.0 - right)[has_posterior]
    mean = float(q.mean())
    width = _NORMAL * _standard_error(q, groups[has_posterior])
    labels_share = float((signs[has_posterior] > 0).mean())
    ends = [mean - width, mean + width, *_shares_without_flips(labels_share, flip_rate)]
    low, high = max(min(ends), 0.0), min(max(ends), 1.0)
    return CleanShare(round(mean, 4), round(low, 4), round(high, 4))


def _shares_without_flips(
    labels_share: float, flip_rate: tuple[float, float] | None
) -> list[float]:
    """Return the share of clean labels at both ends of the flip rate; none where it is unknown."""
    # With random flips at rate e and the labels' share s, clean labels have (s - e) / (1 - 2e).
    return [(labels_share - e) / (1.0 - 2.0 * e) for e in flip_rate or () if e < 0.5]


def _standard_error(q: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    """Return the standard error of the mean of q over prompts, plus the variance of each label."""
    residuals = np.bincount(groups, weights=q - q.mean())
    prompts = len(np.unique(groups))
    # sum_g r_g^2 G / (G - 1): pairs of one prompt vary together, so prompts are the clusters.
    between = float(residuals @ residuals) * prompts / max(prompts - 1, 1)
    # q (1 - q): each right answer is still unknown, however well q is known.
    return math.sqrt(between + float((q * (1.0 - q)).sum())) / len(q)
