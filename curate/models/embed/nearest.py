"""The nearest of some vectors, and putting together what was found in several places."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import faiss
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_INNER = faiss.METRIC_INNER_PRODUCT


def nearest_similarities(
    queries: NDArray[np.float32], vectors: NDArray[np.float32], count: int
) -> NDArray[np.float32]:
    """Return inner products of each query with its nearest vectors, at most `count`; exact."""
    similarity: NDArray[np.float32]
    similarity, _ = faiss.knn(queries, vectors, min(count, len(vectors)), metric=_INNER)
    return similarity


def merge_top_k(
    similarity_blocks: Iterable[NDArray[np.float32]], queries: int, count: int
) -> NDArray[np.float32]:
    """Return the `count` largest values of each query over all places, in no order; (queries,
    count)."""
    best = np.full((queries, count), -np.inf, dtype=np.float32)
    for more in similarity_blocks:
        both = np.concatenate([best, more], axis=1)
        # A partition instead of a sort: callers need no order.
        best = -np.partition(-both, count - 1, axis=1)[:, :count]
    return best


def drop_self_matches(
    similarity: NDArray[np.float32], row_numbers: NDArray[np.int64], start: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return distances and numbers of the k others among k + 1 neighbours of rows from `start`
    on."""
    # The row itself is one of its neighbours, unless others lie at the same point.
    is_self = row_numbers == np.arange(start, start + len(row_numbers))[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    k = row_numbers.shape[1] - 1
    other_similarity = similarity[~is_self].reshape(-1, k).astype(np.float64)
    return np.sqrt(np.maximum(2.0 - 2.0 * other_similarity, 0.0)), row_numbers[~is_self].reshape(
        -1, k
    )
