"""What many images show at the same place, such as a watermark or a logo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curate.scoring import batch_slices
from curate.scoring.texts import BATCH_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray


def shared_pattern(small: NDArray[np.uint8], decoded: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the correlation of each image's edges with the mean edges of all others, (images,).

    Edges are the Laplacian of the (32, 32) grey picture, which large shapes of a scene hardly
    leave a trace in. Independent images lie at 0 with a deviation of some 0.03 (1,024 pixels);
    those that share a pattern well above, and so do repeats of one picture. NaN for images that
    were not decoded or have no edges, and for a single image.

    Args:
        small: (images, 32, 32) grey values.
        decoded: which of them are those of images.
    """
    total = np.zeros(small.shape[1:])
    count = 0
    for rows in batch_slices(len(small), BATCH_ROWS):
        edges = _normalised_edges(small[rows], decoded[rows])
        total += edges.sum(axis=0)
        count += int(edges.any(axis=(1, 2)).sum())
    out = np.full(len(small), np.nan)
    if count <= 1:
        return out
    for rows in batch_slices(len(small), BATCH_ROWS):
        edges = _normalised_edges(small[rows], decoded[rows])
        # Without the image itself, which would agree with a mean that holds it.
        other_edges = total - edges
        norms = np.linalg.norm(other_edges, axis=(1, 2))
        there = edges.any(axis=(1, 2)) & (norms > 0)
        products = np.einsum("nij,nij->n", edges, other_edges)
        out[rows] = np.where(there, products / np.where(norms > 0, norms, 1.0), np.nan)
    return out


def _normalised_edges(small: NDArray[np.uint8], decoded: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return Laplacians of mean 0 and length 1, 0 where there is nothing to see."""
    grey = small.astype(np.float64)
    around = sum(np.roll(grey, by, axis) for axis in (1, 2) for by in (-1, 1))
    edges: NDArray[np.float64] = 4.0 * grey - around
    # What lies at the rim was compared with the other side.
    edges[:, [0, -1], :] = 0.0
    edges[:, :, [0, -1]] = 0.0
    edges -= edges.mean(axis=(1, 2), keepdims=True)
    norms = np.linalg.norm(edges, axis=(1, 2), keepdims=True)
    normalised: NDArray[np.float64] = np.where(
        norms > 1e-9, edges / np.where(norms > 0, norms, 1), 0.0
    )
    normalised[~decoded] = 0.0
    return normalised
