"""Nearest neighbours of all rows among themselves: exact, and each product serves both rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.data.table import batch_slices

# A tile of products, 16 MB, and the pairs that wait to be ranked, some 20 MB.
_TILE_ROWS, _TILE_COLUMNS = 1024, 4096
_MAX_WAITING = 1 << 19
_SAMPLE = 1024
"""Rows whose products give each row a first bound: nearly all pairs are then never ranked."""
_ROUNDING = 1e-5
"""Two products of the same vectors, in tiles of other shapes, differ by less."""


class _TopMatches:
    """The most similar other rows of each row, of pairs that come in any order.

    Args:
        rows: how many there are.
        k: others of each that are kept.
    """

    def __init__(self, rows: int, k: int) -> None:
        self.similarity = np.full((rows, k), -np.inf, dtype=np.float32)
        self.numbers = np.full((rows, k), -1, dtype=np.int64)
        self.bounds = np.full(rows, -np.inf, dtype=np.float32)
        """Similarity that another row must exceed to be one of the k; (rows,)."""
        self._waiting: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]] = []
        self._count = 0

    def add(
        self,
        rows: NDArray[np.int64],
        other_rows: NDArray[np.int64],
        similarity: NDArray[np.float32],
    ) -> None:
        """Add pairs of a row and another one; (pairs,) each."""
        self._waiting.append((rows, other_rows, similarity))
        self._count += len(rows)
        if self._count > _MAX_WAITING:
            self.rank()

    def rank(self) -> None:
        """Keep the best of what waits, and raise the bounds."""
        if not self._count:
            return
        rows, other_rows, similarity = map(np.concatenate, zip(*self._waiting, strict=True))
        self._waiting, self._count = [], 0
        changed = np.unique(rows)
        k = self.numbers.shape[1]
        rows = np.concatenate([np.repeat(changed, k), rows])
        other_rows = np.concatenate([self.numbers[changed].ravel(), other_rows])
        similarity = np.concatenate([self.similarity[changed].ravel(), similarity])
        order = np.argsort(_descending_keys(rows, similarity))
        best = order[np.searchsorted(rows[order], changed)[:, None] + np.arange(k)]
        self.similarity[changed], self.numbers[changed] = similarity[best], other_rows[best]
        self.bounds[changed] = np.maximum(self.bounds[changed], self.similarity[changed, -1])


def nearest_others(
    vectors: NDArray[np.floating], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return inner products with the k nearest other rows, descending, and which these are.

    A tile of products is computed for both its rows and its columns, which are half of all
    products, and only products above the row's bound so far are ranked.

    Args:
        vectors: (rows, dim), possibly in a mapped file, of which a tile is held at a time.
        k: fewer than rows.

    Returns:
        (rows, k) each; of equally near rows any are taken.

    Examples:
        >>> vectors = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], np.float32)
        >>> nearest_others(vectors, 1)[1].tolist()
        [[1], [0], [1]]
    """
    matches = _TopMatches(len(vectors), k)
    _set_first_bounds(matches, vectors, k)
    products = np.empty(_TILE_ROWS * _TILE_COLUMNS, dtype=np.float32)
    above = np.empty(len(products), dtype=np.bool_)
    for rows in batch_slices(len(vectors), _TILE_ROWS):
        row_vectors = _single_precision(vectors[rows])
        for start in range(rows.start, len(vectors), _TILE_COLUMNS):
            columns = slice(start, min(start + _TILE_COLUMNS, len(vectors)))
            shape = rows.stop - rows.start, columns.stop - columns.start
            tile = products[: shape[0] * shape[1]].reshape(shape)
            np.matmul(row_vectors, _single_precision(vectors[columns]).T, out=tile)
            if start == rows.start:
                np.fill_diagonal(tile, -np.inf)
            mask = above[: tile.size].reshape(shape)
            _add_tile(matches, tile, mask, rows, columns)
    matches.rank()
    return matches.similarity, matches.numbers


def _set_first_bounds(matches: _TopMatches, vectors: NDArray[np.floating], k: int) -> None:
    """Set bounds by a sample of the rows, below the similarity of the true k-th neighbour."""
    size = max(_SAMPLE, 8 * k)
    if len(vectors) <= size:
        return
    sample = _single_precision(vectors[:: len(vectors) // size])
    # A row may be of the sample itself: one rank more.
    rank = len(sample) - k - 1
    for rows in batch_slices(len(vectors), _TILE_ROWS):
        products = _single_precision(vectors[rows]) @ sample.T
        matches.bounds[rows] = np.partition(products, rank, axis=1)[:, rank] - _ROUNDING


def _add_tile(
    matches: _TopMatches,
    tile: NDArray[np.float32],
    mask: NDArray[np.bool_],
    rows: slice,
    columns: slice,
) -> None:
    """Add the products of a tile that exceed the bounds of its rows, or of its columns."""
    np.greater(tile, matches.bounds[rows, None], out=mask)
    flat = np.flatnonzero(mask)
    row, column = np.divmod(flat, tile.shape[1])
    matches.add(rows.start + row, columns.start + column, tile.ravel()[flat])
    # Columns that are rows of this tile too have been seen.
    new = max(rows.stop - columns.start, 0)
    np.greater(tile, matches.bounds[columns], out=mask)
    mask[:, :new] = False
    flat = np.flatnonzero(mask)
    row, column = np.divmod(flat, tile.shape[1])
    matches.add(columns.start + column, rows.start + row, tile.ravel()[flat])


def _descending_keys(rows: NDArray[np.int64], similarity: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return numbers that sort by row, then by falling similarity."""
    bits = similarity.view(np.int32)
    # Bits of floats rise with the float, but of negative ones they fall.
    rising = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return (rows << 32) + ((1 << 31) - 1 - rising.astype(np.int64))


def _single_precision(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.ascontiguousarray(vectors, dtype=np.float32)
