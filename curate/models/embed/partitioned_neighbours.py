"""An inverted file in parts: each worker fills and searches the lists of its own vectors.

All parts have the same lists, so that looking into the same lists of each finds what one file of
all vectors would.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import faiss
import numpy as np

from curate.data.table import batch_slices
from curate.models.embed.nearest import drop_self_matches, merge_top_k, nearest_similarities

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.workers import RemoteValue, Workers

_PART_BYTES = 256 << 20
"""Of the vectors of a part; a worker holds them twice while it searches."""
_QUERY_ROWS = 4096
_MAX_LISTS = 64
"""Up to which the lists to look into are found once for all parts, and sent."""


class NeighbourTable(NamedTuple):
    """Distances of each row to its k nearest other rows, and which these are; (rows, k) each."""

    distances: NDArray[np.float64]
    row_numbers: NDArray[np.int64]


class PartitionedInvertedFile:
    """`curate.models.embed.neighbours.InvertedFile` whose vectors lie with workers.

    Args:
        trained: without vectors.
        vectors: of length 1, (rows, dim).
        workers: with whom they lie.
    """

    def __init__(self, trained: Any, vectors: NDArray[np.floating], workers: Workers) -> None:
        max_rows = max(_PART_BYTES // (4 * vectors.shape[1]), 1)
        size = min(-(-len(vectors) // workers.count), max_rows)
        self._rows, self._workers = batch_slices(len(vectors), size), workers
        # As bytes: an index of faiss does not pickle.
        (self._trained,) = workers.place([faiss.serialize_index(trained)])
        self._vectors = workers.place(np.asarray(vectors[rows]) for rows in self._rows)
        self._lists = self._coarse(1)

    def _each(self, value: Any) -> list[Any]:
        return [value] * len(self._rows)

    def _coarse(self, probes: int) -> list[RemoteValue]:
        """Return the lists to look into for each vector, (rows, probes); the first is its own."""
        return self._workers.keep(
            partial(_nearest_lists, probes), self._each(self._trained), self._vectors
        )

    def nearest(self, queries: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        """Return exact inner products; see `InvertedFile.nearest`."""
        similarity_blocks = self._workers.map(
            partial(_partition_similarities, queries, count), self._vectors
        )
        return merge_top_k(similarity_blocks, len(queries), count)

    def probed_similarities(
        self, queries: NDArray[np.float32], count: int, probes: int
    ) -> NDArray[np.float32]:
        """Search the lists; see `InvertedFile.probed_similarities`."""
        search = partial(_probed_similarities, queries, count, probes)
        similarity_blocks = self._workers.map(
            search, self._each(self._trained), self._vectors, self._lists
        )
        return merge_top_k(similarity_blocks, len(queries), count)

    def fill_table(self, k: int, probes: int, table: NeighbourTable) -> None:
        """Search all vectors; see `InvertedFile.fill_table`."""
        has_few_probes = probes <= _MAX_LISTS
        list_numbers = self._coarse(probes) if has_few_probes else self._each(None)
        # Every part of the vectors is sought in every part of the file: a grid of tasks.
        grid = [
            self._workers.keep(
                partial(_search_partition, k + 1, probes, rows.start),
                *map(self._each, (self._trained, vectors, lists)),
                self._vectors,
                list_numbers,
            )
            for rows, vectors, lists in zip(self._rows, self._vectors, self._lists, strict=True)
        ]
        starts = [rows.start for rows in self._rows]
        merged = self._workers.map(_merge_partitions, starts, *grid)
        for rows, (distances, numbers) in zip(self._rows, merged, strict=True):
            table.distances[rows], table.row_numbers[rows] = distances, numbers


def _nearest_lists(
    probes: int, trained: NDArray[np.uint8], vectors: NDArray[np.floating]
) -> NDArray[np.int32]:
    index: Any = faiss.deserialize_index(trained)
    parts = [
        index.quantizer.search(vectors[rows].astype(np.float32), probes)[1].astype(np.int32)
        for rows in batch_slices(len(vectors), _QUERY_ROWS)
    ]
    return np.concatenate(parts)


def _partition_similarities(
    queries: NDArray[np.float32], count: int, vectors: NDArray[np.floating]
) -> NDArray[np.float32]:
    return nearest_similarities(queries, vectors.astype(np.float32), count)


def _fill_index(
    trained: NDArray[np.uint8], vectors: NDArray[np.floating], lists: NDArray[np.int32], start: int
) -> Any:
    """Return the file with vectors whose lists are known, numbered from `start` on."""
    index: Any = faiss.deserialize_index(trained)
    contiguous = np.ascontiguousarray(vectors, dtype=np.float32)
    numbers = np.arange(start, start + len(contiguous))
    own_lists = np.ascontiguousarray(lists[:, 0], dtype=np.int64)
    pointers = [faiss.swig_ptr(array) for array in (contiguous, numbers, own_lists)]
    index.add_core(len(contiguous), *pointers)
    return index


def _probed_similarities(
    queries: NDArray[np.float32],
    count: int,
    probes: int,
    trained: NDArray[np.uint8],
    vectors: NDArray[np.floating],
    lists: NDArray[np.int32],
) -> NDArray[np.float32]:
    index = _fill_index(trained, vectors, lists, 0)
    index.nprobe = probes
    similarity: NDArray[np.float32] = index.search(queries, count)[0]
    return similarity


def _search_partition(
    count: int,
    probes: int,
    start: int,
    trained: NDArray[np.uint8],
    vectors: NDArray[np.floating],
    lists: NDArray[np.int32],
    queries: NDArray[np.floating],
    list_numbers: NDArray[np.int32] | None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return similarities and numbers of the nearest of a part of the file, of each query; -1 for
    none."""
    index = _fill_index(trained, vectors, lists, start)
    index.nprobe = probes
    similarity = np.empty((len(queries), count), dtype=np.float32)
    numbers = np.empty((len(queries), count), dtype=np.int64)
    for rows in batch_slices(len(queries), _QUERY_ROWS):
        query_block = queries[rows].astype(np.float32)
        if list_numbers is None:
            matches = index.search(query_block, count)
        else:
            query_lists = list_numbers[rows].astype(np.int64)
            # A flat file looks at no distance to the centre of a list.
            matches = index.search_preassigned(
                query_block, count, query_lists, np.zeros(query_lists.shape, np.float32)
            )
        similarity[rows], numbers[rows] = matches
    return similarity, numbers


def _merge_partitions(
    start: int, *matches: tuple[NDArray[np.float32], NDArray[np.int64]]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the nearest others of the queries from `start` on, of all parts of the file."""
    similarity = np.concatenate([s for s, _ in matches], axis=1)
    numbers = np.concatenate([n for _, n in matches], axis=1)
    best = np.argsort(-similarity, axis=1, kind="stable")[:, : matches[0][0].shape[1]]
    similarity, numbers = (np.take_along_axis(v, best, axis=1) for v in (similarity, numbers))
    return drop_self_matches(similarity, numbers, start)
