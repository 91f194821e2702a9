"""faiss on two GPUs, shown with its own classes for an index in pieces, which have no GPU here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from curate.models.embed import gpu_index, neighbours
from curate.models.embed.gpu_index import set_probes
from curate.models.embed.neighbours import nearest_neighbours

MEMORY_ERROR = "StandardGpuResources: alloc fail type FlatData: cudaMalloc error out of memory"


def unit(rows: int, dim: int = 8) -> NDArray[np.float32]:
    vectors = np.random.default_rng(0).normal(size=(rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class TwoGPUs:
    """Splits an index into two, as faiss does with `shard`, and records what was moved."""

    def __init__(self) -> None:
        self.moved: list[str] = []
        self.pieces: list[Any] = []
        self.fails = False

    def move(self, index: Any, co: Any) -> Any:
        assert co.shard
        assert index.ntotal > 0
        if self.fails:
            raise RuntimeError(MEMORY_ERROR)
        self.moved.append(type(index).__name__)
        flat = isinstance(index, faiss.IndexFlat)
        shards = faiss.IndexShards(index.d, True, flat)
        pieces = _halves_of_flat(index) if flat else _halves_of_lists(index)
        self.pieces += pieces
        for piece in pieces:
            shards.addIndex(piece)
        return shards


def _halves_of_flat(index: Any) -> list[Any]:
    vectors = index.reconstruct_n(0, index.ntotal)
    halves = [faiss.IndexFlatIP(index.d) for _ in range(2)]
    for half, rows in zip(halves, np.array_split(vectors, 2), strict=True):
        half.add(rows)
    return halves


def _halves_of_lists(index: Any) -> list[Any]:
    halves = []
    for remainder in range(2):
        half = faiss.clone_index(index)
        half.reset()
        index.copy_subset_to(half, 1, 2, remainder)
        halves.append(half)
    return halves


def install(monkeypatch: pytest.MonkeyPatch) -> TwoGPUs:
    stand_in = TwoGPUs()
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 2, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", stand_in.move, raising=False)
    monkeypatch.setattr(faiss, "GpuMultipleClonerOptions", SimpleNamespace, raising=False)
    monkeypatch.setattr(neighbours, "_MAX_PROBED_SHARE", 1.0)
    return stand_in


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> TwoGPUs:
    return install(monkeypatch)


@pytest.mark.parametrize(("exact_below", "kind"), [(10_000, "IndexFlatIP"), (100, "IndexIVFFlat")])
def test_a_piece_lies_on_each_gpu_and_finds_the_same(
    exact_below: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = unit(600)
    monkeypatch.setattr(neighbours, "_MAX_PROBED_SHARE", 1.0)
    expected = nearest_neighbours(vectors, 3, exact_below)
    stand_in = install(monkeypatch)
    result = nearest_neighbours(vectors, 3, exact_below)
    assert stand_in.moved == [kind]
    assert [piece.ntotal for piece in stand_in.pieces] == [300, 300]
    assert result.facts == expected.facts
    np.testing.assert_allclose(result.distances, expected.distances, atol=1e-3)


@pytest.mark.parametrize("wrapper", [faiss.IndexReplicas, faiss.IndexShards])
def test_probes_are_set_on_every_piece(wrapper: Any) -> None:
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(8), 8, 20, faiss.METRIC_INNER_PRODUCT)
    index.train(unit(1000))
    pieces, combined = [faiss.clone_index(index) for _ in range(2)], wrapper(8)
    for piece in pieces:
        combined.addIndex(piece)
    set_probes(combined, 7)
    assert [piece.nprobe for piece in pieces] == [7, 7]


def test_more_neighbours_than_a_gpu_takes_are_searched_on_the_cpu(
    gpus: TwoGPUs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_index, "_MAX_MATCHES", 5)
    vectors = unit(300)
    assert nearest_neighbours(vectors, 4).distances.shape == (300, 4)
    assert gpus.moved == ["IndexFlatIP"]
    assert nearest_neighbours(vectors, 5).distances.shape == (300, 5)
    assert gpus.moved == ["IndexFlatIP"]


@pytest.mark.parametrize("exact_below", [10_000, 100])
def test_an_index_too_large_for_the_gpus_stays_on_the_cpu(gpus: TwoGPUs, exact_below: int) -> None:
    vectors = unit(600)
    expected = nearest_neighbours(vectors, 3, exact_below)
    gpus.fails = True
    result = nearest_neighbours(vectors, 3, exact_below)
    np.testing.assert_allclose(result.distances, expected.distances, atol=1e-3)


def test_other_errors_of_a_gpu_are_raised(gpus: TwoGPUs, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(index: Any, co: Any) -> Any:
        raise RuntimeError("an illegal memory access was encountered")

    assert gpus.moved == []
    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", fail, raising=False)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        nearest_neighbours(unit(50), 3)
