"""Whether features say anything of the labels: an exact test that turns the labels of prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import logsumexp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# With the observed labels 100 arrangements: the smallest p value is .01.
RESAMPLES = 99
_VARIANCES = (0.3, 0.03, 0.003, 0.0003)
"""Of all coefficients, at which the evidence is taken; the noise of a label of 1 or -1 is 1."""
_STRONG_LENGTH = 30.0
"""How much larger the variance of the last block is in half of them: style varies with length."""


def prompt_signs(groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return random signs of each prompt, (rows, `RESAMPLES`); the same wherever its rows lie.

    Args:
        groups: (rows,) number of each row's prompt.
    """
    # splitmix64 (Steele et al. 2014) of the prompt and the resample.
    resamples = np.arange(1, RESAMPLES + 1, dtype=np.uint64)
    mixed = groups.astype(np.uint64)[:, None] * np.uint64(RESAMPLES) + resamples
    mixed = mixed * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    positive = ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(63)) == 1
    return np.where(positive, 1.0, -1.0)


def sign_flip_p_value(
    gram: NDArray[np.float64],
    cross: NDArray[np.float64],
    turned: NDArray[np.float64],
    widths: Sequence[int],
) -> float:
    """Return the p value of the evidence that features explain the labels.

    If features say nothing of the labels, flipping all labels of a prompt changes nothing: the
    evidence is then as likely to be the largest as any of those with labels turned at random
    (a permutation test, exact whatever the features). The strengths are fixed, so that no label
    chooses them.

    Args:
        gram: Z'WZ, (d, d).
        cross: Z'Wy, (d,).
        turned: the same with the labels of prompts turned, (d, resamples).
        widths: columns of each block of features.
    """
    columns = np.column_stack([cross, turned])
    by_strength = []
    for variance in _VARIANCES:
        for factor in (1.0, _STRONG_LENGTH):
            variances = np.full(len(cross), variance)
            if len(widths) > 1:
                variances[-widths[-1] :] *= factor
            # log N(y; 0, Z V Z' + I) up to what the signs of labels do not change.
            matrix = gram + np.diag(1.0 / variances)
            lower = cho_factor(matrix, lower=True)
            fitted = 0.5 * (columns * cho_solve(lower, columns)).sum(axis=0)
            size = 2.0 * float(np.log(np.diag(lower[0])).sum()) + float(np.log(variances).sum())
            by_strength.append(fitted - 0.5 * size)
    # A mean over strengths: the largest would need its own correction for having been chosen.
    evidence = logsumexp(by_strength, axis=0)
    # A hair below: sums in single precision differ in their last digits.
    at_least = int((evidence[1:] >= evidence[0] - 1e-9 * abs(evidence[0])).sum())
    return float((1 + at_least) / (1 + turned.shape[1]))
