"""Nearest neighbours of unit vectors: exact, or by an inverted file whose recall is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import faiss
import numpy as np

from curate.data.json_types import JsonObject
from curate.data.renamed import warn_renamed
from curate.data.table import batch_slices
from curate.models.embed import exact_search
from curate.models.embed.gpu_index import SearchedIndex
from curate.models.embed.inverted_file import InvertedFile, NeighbourTable
from curate.models.embed.nearest import drop_self_matches
from curate.steps.workers import LocalWorkers
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.workers import Workers

EXACT_BELOW = 60_000
"""Rows from which on the search may be approximate: up to there all products are as cheap."""
RECALL = 0.95
"""Share of true neighbours that an approximate search must find on the sample."""
_INNER = faiss.METRIC_INNER_PRODUCT
_QUERY_ROWS = 4096
_BLOCK_ROWS = 65_536
# Rows on which recall is measured: its standard error is then under 0.01.
_SAMPLE = 500
# faiss's advice is 4 to 16 times the square root of the rows.
_LISTS_PER_ROOT = 4
# Just above the 39 below which faiss warns; more changes no neighbour.
_TRAIN_PER_LIST = 40
# Few lists are enough where texts fall into clear groups.
_FIRST_PROBES = 2
_MAX_PROBED_SHARE = 0.05
"""Share of the lists from which on all products are cheaper: they run at some 100 billion
operations a CPU second, the scan of lists at 4 (measured at 256 dimensions)."""
_ROUNDS = 10
"""Of k-means; with faiss's 25 the same neighbours are found, in twice the time."""


@dataclass(frozen=True)
class NeighbourSearchResult:
    """What a search found.

    Attributes:
        distances: Euclidean, of each row to its k nearest other rows, ascending; (rows, k).
        row_numbers: which rows these are, -1 where an approximate search found none; (rows, k).
        facts: index type, and for an approximate one its lists, probes and recall@k on a sample.
    """

    distances: NDArray[np.float64]
    row_numbers: NDArray[np.int64]
    facts: JsonObject


def nearest_neighbours(
    vectors: NDArray[np.floating],
    k: int,
    exact_below: int = EXACT_BELOW,
    seed: int = 0,
    workers: Workers | None = None,
    scratch: ScratchSpace | None = None,
) -> NeighbourSearchResult:
    """Return distances of each row to its k nearest other rows.

    Below `exact_below` rows the search is exact. From there on an inverted file (IVF; Jegou et al.
    2011) with 4 sqrt(rows) lists is used, and the number of lists that are looked into is doubled
    until 95 % of the true neighbours of 500 rows drawn at random are found. If that takes more than
    a twentieth of the lists, exact search is cheaper and is used after all. On a machine with
    faiss for GPUs a piece of the index lies on each.

    Args:
        vectors: of length 1, (rows, dim), possibly in a mapped file, which is read in blocks where
            the search is approximate.
        k: neighbours; fewer than rows.
        exact_below: rows from which on the search is approximate.
        seed: of the sample.
        workers: fill and search the inverted file, each its own partitions; default: threads.
        scratch: where the neighbours are stored; default memory.

    Examples:
        >>> vectors = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
        >>> nearest_neighbours(vectors, k=1).row_numbers.tolist()
        [[1], [0], [1]]
    """
    scratch, shape = scratch or ScratchSpace(), (len(vectors), k)
    distances = scratch.array("distances", shape, np.float64)
    table = NeighbourTable(distances, scratch.array("neighbours", shape, np.int64))
    facts: JsonObject | None = None
    if len(vectors) >= exact_below:
        facts = _search_inverted_file(vectors, k, table, seed, workers, scratch)
    if facts is None:
        facts = _search_exactly(vectors, k, table)
    return NeighbourSearchResult(*table, facts)


def _search_exactly(vectors: NDArray[np.floating], k: int, table: NeighbourTable) -> JsonObject:
    """Fill the table by all inner products, and return facts about the search."""
    index = SearchedIndex(faiss.IndexFlatIP(vectors.shape[1]))
    if index.fits_gpus(k + 1):
        # Filled before it is moved: what lies in pieces on GPUs takes no vectors.
        index.index.add(np.ascontiguousarray(vectors, dtype=np.float32))
        _search_into(index, vectors, k, table)
    else:
        similarity, table.row_numbers[:] = exact_search.nearest_others(vectors, k)
        # Of unit vectors: the squared distance is 2 - 2 cos.
        np.sqrt(np.maximum(2.0 - 2.0 * similarity.astype(np.float64), 0.0), out=table.distances)
    return {"index": "exact"}


def _search_inverted_file(
    vectors: NDArray[np.floating],
    k: int,
    table: NeighbourTable,
    seed: int,
    workers: Workers | None,
    scratch: ScratchSpace,
) -> JsonObject | None:
    """Fill the table by an approximate search, and return facts about the index.

    Nothing is filled in, and None returned, where an exact search is cheaper.
    """
    lists = int(_LISTS_PER_ROOT * np.sqrt(len(vectors)))
    rng = np.random.default_rng(seed)
    trained = _train_index(vectors, lists, rng, scratch)
    sample = vectors[rng.choice(len(vectors), min(_SAMPLE, len(vectors)), replace=False)]
    index = InvertedFile(trained, vectors, workers or LocalWorkers(scratch))
    probes, recall = _tune_probes(index, sample.astype(np.float32), k, lists)
    if probes > _MAX_PROBED_SHARE * lists:
        return None
    index.fill_table(k, probes, table)
    return {"index": "ivf", "lists": lists, "probes": probes, f"recall@{k}": round(recall, 4)}


def _train_index(
    vectors: NDArray[np.floating], lists: int, rng: np.random.Generator, scratch: ScratchSpace
) -> faiss.IndexIVF:
    """Return an inverted file whose lists are known and empty."""
    dim = vectors.shape[1]
    quantiser = faiss.IndexFlatIP(dim)
    index: faiss.IndexIVF
    if vectors.dtype == np.float16:
        # Their own two bytes a number: nothing is lost, half the memory, and faster to scan.
        half = faiss.ScalarQuantizer.QT_fp16
        index = faiss.IndexIVFScalarQuantizer(quantiser, dim, lists, half, _INNER, False)
    else:
        index = faiss.IndexIVFFlat(quantiser, dim, lists, _INNER)
    index.cp.niter = _ROUNDS
    size = min(len(vectors), _TRAIN_PER_LIST * lists)
    # Ascending, so that a mapped file is read from its start to its end.
    sampled_rows = np.sort(rng.choice(len(vectors), size, replace=False))
    # K-means goes through it from start to end, so that it may lie in a mapped file as well.
    sample = scratch.array("training vectors", (size, dim), np.float32)
    for rows in batch_slices(size, _BLOCK_ROWS):
        sample[rows] = vectors[sampled_rows[rows]]
    index.train(sample)
    return index


def _tune_probes(
    index: InvertedFile, queries: NDArray[np.float32], k: int, lists: int
) -> tuple[int, float]:
    """Return probes and recall@k on the queries, which are vectors of the index."""
    # By similarity, not by number: of several rows at one distance any will do.
    min_similarity = index.nearest(queries, k + 1).min(axis=1, keepdims=True) - 1e-5
    probes = _FIRST_PROBES
    while True:
        recall = float((index.probed_similarities(queries, k + 1, probes) >= min_similarity).mean())
        if recall >= RECALL or probes > _MAX_PROBED_SHARE * lists or probes == lists:
            return probes, recall
        # Doubling finds a sound number in a few tries; a search for the least would cost more.
        probes = min(2 * probes, lists)


def _search_into(
    index: SearchedIndex, vectors: NDArray[np.floating], k: int, table: NeighbourTable
) -> None:
    for rows in batch_slices(len(vectors), _QUERY_ROWS):
        similarity, row_numbers = index.search(vectors[rows].astype(np.float32), k + 1)
        table.distances[rows], table.row_numbers[rows] = drop_self_matches(
            similarity, row_numbers, rows.start
        )


def take_rows(table: NDArray[np.floating], rows: NDArray[np.int64]) -> NDArray[np.floating]:
    """Return `table[rows]`, without a copy where the ascending rows are consecutive.

    Examples:
        >>> table = np.arange(4.0)
        >>> take_rows(table, np.array([1, 2])).tolist(), take_rows(table, np.array([0, 3])).tolist()
        ([1.0, 2.0], [0.0, 3.0])
    """
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1:
        return table[rows[0] : rows[-1] + 1]
    return table[rows]


def __getattr__(name: str) -> object:
    # Plug-ins of version 0.3 import the old name; it stays for one release.
    if name == "nearest_others":
        warn_renamed(
            "curate.models.embed.neighbours.nearest_others", "curate.scoring.nearest_neighbours"
        )
        return nearest_neighbours
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
