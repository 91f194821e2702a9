"""Exact search by halves of the products, beside all products sorted."""

from __future__ import annotations

import numpy as np
import pytest

from curate.models.embed import exact_search
from curate.models.embed.exact_search import nearest_others


def _all_products(vectors: np.ndarray, k: int) -> np.ndarray:
    """Similarities of the k nearest others, by sorting every product."""
    similarity = vectors.astype(np.float32) @ vectors.astype(np.float32).T
    np.fill_diagonal(similarity, -np.inf)
    return -np.sort(-similarity, axis=1)[:, :k]


@pytest.mark.parametrize(("count", "k"), [(2, 1), (65, 7), (300, 299), (1500, 10)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_neighbours_are_those_of_all_products(
    count: int, k: int, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles that divide the rows unevenly, and bounds from a sample where there are many rows."""
    monkeypatch.setattr(exact_search, "_TILE_ROWS", 64)
    monkeypatch.setattr(exact_search, "_TILE_COLUMNS", 100)
    monkeypatch.setattr(exact_search, "_SAMPLE", 80)
    monkeypatch.setattr(exact_search, "_MAX_WAITING", 500)
    vectors = np.random.default_rng(0).normal(size=(count, 8)).astype(dtype)
    similarity, numbers = nearest_others(vectors, k)
    np.testing.assert_allclose(similarity, _all_products(vectors, k), atol=1e-4)
    assert (numbers != np.arange(count)[:, None]).all()
    assert all(len(set(row)) == k for row in numbers.tolist())
    exact = vectors.astype(np.float32)
    pairs = np.einsum("rd,rkd->rk", exact, exact[numbers])
    np.testing.assert_allclose(similarity, pairs, atol=1e-4)


def test_copies_of_one_row_are_neighbours_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """All products are equal, and nothing is ever above a bound."""
    monkeypatch.setattr(exact_search, "_SAMPLE", 20)
    vectors = np.tile(np.array([[0.6, -0.8]], np.float32), (400, 1))
    similarity, numbers = nearest_others(vectors, 3)
    np.testing.assert_allclose(similarity, 1.0, atol=1e-6)
    assert (numbers != np.arange(400)[:, None]).all()
    assert (numbers >= 0).all()
