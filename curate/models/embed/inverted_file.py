"""An inverted file in partitions: each worker fills and searches the lists of its own vectors.

All partitions have the same lists, so that looking into the same lists of each finds what one file
of all vectors would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import faiss
import numpy as np

from curate.data.table import batch_slices
from curate.models.embed.gpu_index import SearchedIndex, set_probes
from curate.models.embed.nearest import drop_self_matches, merge_top_k, nearest_similarities
from curate.steps.workers import RemoteValue

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.workers import Workers

_PARTITIONS, _MIN_ROWS, _MAX_BYTES = 8, 16_384, 256 << 20
"""Partitions of a medium set, for any number of workers: of equally near rows the first partition's
is found. And rows of one at least, and bytes of its vectors at most."""
_BLOCK_ROWS = 16_384
_QUERY_ROWS = 4096
_MAX_LISTS = 64
"""Up to which the lists to look into are found once for all partitions, and sent."""
_AHEAD = 2
"""Partitions of queries whose neighbours wait to be merged."""
Matches = tuple["NDArray[np.float32]", "NDArray[np.int64]"]
"""Similarities and numbers of the nearest vectors of each query; -1 for none."""


class NeighbourTable(NamedTuple):
    """Distances of each row to its k nearest other rows, and which these are; (rows, k) each."""

    distances: NDArray[np.float64]
    row_numbers: NDArray[np.int64]


class InvertedFile:
    """An inverted file of vectors that lie with workers.

    Args:
        trained: the file without vectors.
        vectors: of length 1, (rows, dim).
        workers: with whom they lie.
    """

    def __init__(
        self, trained: faiss.IndexIVF, vectors: NDArray[np.floating], workers: Workers
    ) -> None:
        max_rows = max(_MAX_BYTES // (4 * vectors.shape[1]), 1)
        size = min(max(-(-len(vectors) // _PARTITIONS), _MIN_ROWS), max_rows)
        self._rows, self._workers = batch_slices(len(vectors), size), workers
        (self._trained,) = workers.place([FilledFile(trained)])
        self._vectors = workers.place(np.asarray(vectors[rows]) for rows in self._rows)
        starts = [rows.start for rows in self._rows]
        self._files = workers.keep(_fill_file, [self._trained] * len(starts), self._vectors, starts)

    def nearest(self, queries: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        """Return inner products with the `count` nearest vectors, exact, in no order; (queries,
        count)."""
        search = partial(_exact_similarities, queries, count)
        return merge_top_k(self._workers.map(search, self._vectors), len(queries), count)

    def probed_similarities(
        self, queries: NDArray[np.float32], count: int, probes: int
    ) -> NDArray[np.float32]:
        """Return inner products with the `count` nearest of the lists looked into, (queries,
        count)."""
        search = partial(_probed_similarities, queries, count, probes)
        return merge_top_k(self._workers.map(search, self._files), len(queries), count)

    def fill_table(self, k: int, probes: int, table: NeighbourTable) -> None:
        """Fill in the neighbours of all vectors."""
        waiting = deque[tuple[slice, RemoteValue]]()
        for rows, queries in zip(self._rows, self._vectors, strict=True):
            waiting.append((rows, self._nearest_others(k, probes, rows.start, queries)))
            if len(waiting) > _AHEAD:
                self._fill_rows(*waiting.popleft(), table)
        while waiting:
            self._fill_rows(*waiting.popleft(), table)

    def _nearest_others(self, k: int, probes: int, start: int, queries: RemoteValue) -> RemoteValue:
        """Search one partition of the vectors in every partition of the file."""
        each = len(self._files)
        lists: list[RemoteValue] = [None]
        if probes <= _MAX_LISTS:
            lists = self._workers.keep(partial(_nearest_lists, probes), [self._trained], [queries])
        search = partial(_search_file, k + 1, probes)
        matches = self._workers.keep(search, self._files, [queries] * each, lists * each)
        (merged,) = self._workers.keep(partial(_merge_matches, start), *([m] for m in matches))
        return merged

    def _fill_rows(self, rows: slice, merged: RemoteValue, table: NeighbourTable) -> None:
        (matches,) = self._workers.map(_return_matches, [merged])
        table.distances[rows], table.row_numbers[rows] = matches


class FilledFile:
    """A file of faiss, which pickles; it is searched on the GPUs that faiss knows.

    Args:
        index: the file.
    """

    def __init__(self, index: Any) -> None:
        self.index, self._searched = index, SearchedIndex(index)

    def __reduce__(self) -> tuple[Callable[..., FilledFile], tuple[NDArray[np.uint8]]]:
        return _load_file, (faiss.serialize_index(self.index),)

    def search(
        self,
        queries: NDArray[np.float32],
        count: int,
        probes: int,
        lists: NDArray[np.int64] | None = None,
    ) -> Matches:
        """Return the `count` nearest vectors of the lists looked into.

        Args:
            queries: (queries, dim).
            count: how many are searched.
            probes: how many lists are looked into.
            lists: (queries, probes) which these are; None: the nearest ones.
        """
        if lists is None or self._searched.fits_gpus(count, probes):
            return self._searched.search(queries, count, probes)
        # A flat file looks at no distance to the centre of a list.
        no_distances = np.zeros(lists.shape, np.float32)
        set_probes(self.index, probes)
        matches: Matches = self.index.search_preassigned(queries, count, lists, no_distances)
        return matches


def _load_file(serialised: NDArray[np.uint8]) -> FilledFile:
    return FilledFile(faiss.deserialize_index(serialised))


def _nearest_lists(
    probes: int, trained: FilledFile, vectors: NDArray[np.floating]
) -> NDArray[np.int64]:
    """Return the numbers of the lists nearest to each vector, (rows, probes)."""
    lists = np.empty((len(vectors), probes), dtype=np.int64)
    for rows in batch_slices(len(vectors), _QUERY_ROWS):
        lists[rows] = trained.index.quantizer.search(_contiguous(vectors[rows]), probes)[1]
    return lists


def _fill_file(trained: FilledFile, vectors: NDArray[np.floating], start: int) -> FilledFile:
    """Return the file with these vectors, numbered from `start` on."""
    index: Any = faiss.clone_index(trained.index)
    for rows in batch_slices(len(vectors), _BLOCK_ROWS):
        index.add_with_ids(_contiguous(vectors[rows]), start + np.arange(rows.start, rows.stop))
    return FilledFile(index)


def _exact_similarities(
    queries: NDArray[np.float32], count: int, vectors: NDArray[np.floating]
) -> NDArray[np.float32]:
    blocks = batch_slices(len(vectors), _BLOCK_ROWS)
    similarities = (
        nearest_similarities(queries, _contiguous(vectors[rows]), count) for rows in blocks
    )
    return merge_top_k(similarities, len(queries), count)


def _probed_similarities(
    queries: NDArray[np.float32], count: int, probes: int, file: FilledFile
) -> NDArray[np.float32]:
    return file.search(queries, count, probes)[0]


def _search_file(
    count: int,
    probes: int,
    file: FilledFile,
    queries: NDArray[np.floating],
    lists: NDArray[np.int64] | None,
) -> Matches:
    """Return the nearest vectors of a partition of the file."""
    similarity = np.empty((len(queries), count), dtype=np.float32)
    numbers = np.empty((len(queries), count), dtype=np.int64)
    for rows in batch_slices(len(queries), _QUERY_ROWS):
        row_lists = None if lists is None else lists[rows]
        matches = file.search(_contiguous(queries[rows]), count, probes, row_lists)
        similarity[rows], numbers[rows] = matches
    return similarity, numbers


def _merge_matches(start: int, *matches: Matches) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the nearest others of the queries from `start` on, of all partitions of the file."""
    similarity = np.concatenate([s for s, _ in matches], axis=1)
    numbers = np.concatenate([n for _, n in matches], axis=1)
    best = np.argsort(-similarity, axis=1, kind="stable")[:, : matches[0][0].shape[1]]
    similarity, numbers = (np.take_along_axis(v, best, axis=1) for v in (similarity, numbers))
    return drop_self_matches(similarity, numbers, start)


def _return_matches(
    matches: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return matches


def _contiguous(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.ascontiguousarray(vectors, dtype=np.float32)
