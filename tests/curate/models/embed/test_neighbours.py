from __future__ import annotations

import numpy as np
import pytest

from curate.models.embed import inverted_file, neighbours
from curate.models.embed.neighbours import nearest_neighbours
from tests.workers import PickledWorkers


def unit(count: int, dim: int = 6) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_distances_equal_a_naive_loop_without_the_row_itself() -> None:
    vectors = unit(40)
    vectors[7] = vectors[3]  # another prompt at the same point is a neighbour at distance 0
    nearest = nearest_neighbours(vectors, 5).distances
    for i in range(40):
        distances = sorted(
            float(np.linalg.norm(vectors[i].astype(float) - vectors[j]))
            for j in range(40)
            if j != i
        )
        np.testing.assert_allclose(nearest[i], distances[:5], atol=1e-3)


def test_more_copies_than_neighbours() -> None:
    vectors = np.repeat(unit(1), 8, axis=0)
    np.testing.assert_allclose(nearest_neighbours(vectors, 2).distances, 0.0, atol=1e-3)


def clustered(count: int, dim: int = 16) -> np.ndarray:
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(20, dim))
    points = centres[rng.integers(20, size=count)] + 0.3 * rng.normal(size=(count, dim))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def probes_any_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search the inverted file also where all products are cheaper, as for few rows."""
    monkeypatch.setattr(neighbours, "_MAX_PROBED_SHARE", 1.0)


def test_exact_search_takes_over_where_too_many_lists_would_be_probed() -> None:
    vectors = unit(2000, dim=32)
    nearest = nearest_neighbours(vectors, 5, exact_below=1000)
    assert nearest.facts == {"index": "exact"}
    np.testing.assert_array_equal(nearest.row_numbers, nearest_neighbours(vectors, 5).row_numbers)


@pytest.mark.usefixtures("probes_any_share")
def test_an_inverted_file_reaches_the_recall_that_it_tells() -> None:
    vectors = clustered(3000)
    exact = nearest_neighbours(vectors, 5)
    near = nearest_neighbours(vectors, 5, exact_below=1000)
    assert exact.facts == {"index": "exact"}
    assert near.facts["lists"] == int(4 * np.sqrt(3000))
    recall = near.facts["recall@5"]
    assert recall >= neighbours.RECALL
    # Of what is found all is true: no distance is smaller than the exact one.
    assert (near.distances >= exact.distances - 1e-4).all()
    real = (near.distances <= exact.distances[:, -1:] + 1e-4).mean()
    assert real >= recall - 0.05


@pytest.mark.usefixtures("probes_any_share")
def test_probes_grow_until_the_recall_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit(2000, dim=32)  # no clusters: the hard case
    few = nearest_neighbours(vectors, 5, exact_below=1000)
    monkeypatch.setattr(neighbours, "RECALL", 2.0)  # out of reach: all lists are looked into
    all_lists = nearest_neighbours(vectors, 5, exact_below=1000)
    assert 8 <= few.facts["probes"] < all_lists.facts["probes"] == all_lists.facts["lists"]
    assert all_lists.facts["recall@5"] == 1.0
    np.testing.assert_allclose(
        all_lists.distances, nearest_neighbours(vectors, 5).distances, atol=1e-3
    )


@pytest.mark.usefixtures("probes_any_share")
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_neighbours_are_the_same_wherever_the_file_lies(
    count: int, dtype: type[np.floating], monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = unit(3000).astype(dtype)
    together = nearest_neighbours(vectors, 5, exact_below=1000)
    monkeypatch.setattr(inverted_file, "_MIN_ROWS", 500)  # six partitions
    local = nearest_neighbours(vectors, 5, exact_below=1000)
    workers = PickledWorkers(count)
    remote = nearest_neighbours(vectors, 5, exact_below=1000, workers=workers)
    assert workers.calls > 36
    assert remote.facts == local.facts == together.facts
    np.testing.assert_array_equal(remote.distances, local.distances)
    np.testing.assert_array_equal(remote.row_numbers, local.row_numbers)
    # Another cut into partitions changes which of equally near rows is found, and no more.
    np.testing.assert_allclose(local.distances, together.distances, atol=1e-3)
    assert (local.row_numbers == together.row_numbers).mean() > 0.99


@pytest.mark.usefixtures("probes_any_share")
def test_copies_in_other_partitions_are_found_and_no_row_is_its_own_neighbour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inverted_file, "_MIN_ROWS", 500)
    vectors = np.tile(unit(700), (2, 1))
    nearest = nearest_neighbours(vectors, 1, exact_below=1000, workers=PickledWorkers())
    np.testing.assert_array_equal(nearest.row_numbers[:, 0], (np.arange(1400) + 700) % 1400)


@pytest.mark.usefixtures("probes_any_share")
def test_vectors_of_half_precision_lie_in_the_file_as_they_are() -> None:
    half = clustered(2000).astype(np.float16)
    near = nearest_neighbours(half, 5, exact_below=1000)
    wide = nearest_neighbours(half.astype(np.float32), 5, exact_below=1000)
    assert near.facts == wide.facts
    np.testing.assert_allclose(near.distances, wide.distances, atol=1e-4)
