"""Weights of several rewards that depend on where a prompt lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from curate.scoring import batch_slices

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS = 4096


def local_weights(
    margins: NDArray[np.float64],
    prompt: NDArray[np.int64],
    neighbours: NDArray[np.int64],
    start: NDArray[np.float64],
    prior: float,
) -> NDArray[np.float64]:
    """Return weights of each prompt from the votes on its neighbours: (prompts, K).

    One Newton step, from common weights w0, on sum log sigma(w . z) - prior / 8 |w - w0|^2 over the
    pairs z of the prompt's neighbours: a vote at margin 0 bends the first term by z^2 / 4. The step
    needs of each prompt but its gradient and its curvature, which are summed over neighbours.

    Args:
        margins: (pairs, K) chosen minus rejected of each reward, of unit size.
        prompt: (pairs,) number of each pair's prompt, 0 .. prompts - 1.
        neighbours: (prompts, k) numbers of other prompts; -1 for none.
        start: (K,) w0.
        prior: in votes' worth of belief in w0.
    """
    count, width = len(neighbours), margins.shape[1]
    doubt = expit(-margins @ start)
    gradient = np.zeros((count, width))
    np.add.at(gradient, prompt, margins * doubt[:, None])
    curvature = np.zeros((count, width, width))
    outer = margins[:, :, None] * margins[:, None, :]
    np.add.at(curvature, prompt, outer * (doubt * (1.0 - doubt))[:, None, None])
    weights = np.empty((count, width))
    for rows in batch_slices(count, _ROWS):
        near, there = np.maximum(neighbours[rows], 0), neighbours[rows] >= 0
        slope = (gradient[near] * there[:, :, None]).sum(axis=1)
        # A vote at margin 0 has the curvature z^2 / 4, so the prior counts as that many votes.
        bend = (curvature[near] * there[:, :, None, None]).sum(axis=1) + prior / 4.0 * np.eye(width)
        weights[rows] = start + np.linalg.solve(bend, slope[:, :, None])[:, :, 0]
    return weights
