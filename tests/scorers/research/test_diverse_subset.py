from __future__ import annotations

import itertools

import numpy as np
import pytest

from curate.scorers.research.diverse_subset import DiverseSubset, k_centre
from tests.helpers import context_of, pairs_of, simulate


def test_k_centre_is_at_most_twice_the_best_radius() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        points = rng.normal(size=(9, 2)).astype(np.float32)
        picked = k_centre(points, 3)
        assert len(set(picked.tolist())) == 3

        def radius(rows: tuple[int, ...], points: np.ndarray = points) -> float:
            gaps = np.linalg.norm(points[:, None] - points[list(rows)], axis=2)
            return float(gaps.min(axis=1).max())

        best = min(radius(rows) for rows in itertools.combinations(range(9), 3))
        assert radius(tuple(picked)) <= 2 * best + 1e-6


@pytest.mark.parametrize("method", ["k_centre", "dpp", "facility_location", "max_sum", "mmr"])
def test_each_method_takes_one_of_each_cluster(method: str) -> None:
    rng = np.random.default_rng(0)
    rows, vectors = [], {}
    for i in range(60):
        rows.append({"prompt": f"p{i}", "chosen": f"c{i}", "rejected": f"r{i}"})
        vector = np.eye(6)[i % 6] + rng.normal(0, 0.02, 6)
        vectors[f"p{i}"] = vector / np.linalg.norm(vector)
    pairs = pairs_of(rows)
    context = context_of(pairs, vectors, 6)
    scores = DiverseSubset(method=method, rows=6).score(pairs, context)
    clusters = {i % 6 for i in np.flatnonzero(scores["picked"].to_numpy())}
    assert len(clusters) >= 5
    assert sorted(scores["rank"].drop_nulls().to_list()) == [1, 2, 3, 4, 5, 6]
    assert context.facts["picked"] == 6


def test_quality_decides_where_diversity_counts_nothing() -> None:
    sim = simulate(300, flips=0.2)
    scorer = DiverseSubset(
        method="mmr", over="directions", share=0.5, quality="margin", diversity=0.0
    )
    picked = scorer.score(sim.pairs, sim.context)["picked"].to_numpy()
    assert picked.sum() == 150
    assert sim.flipped[picked].mean() < 0.5 * sim.flipped[~picked].mean()


def test_pairs_of_one_prompt_share_its_fate() -> None:
    rows = [{"prompt": f"p{i % 4}", "chosen": f"c{i}", "rejected": f"r{i}"} for i in range(12)]
    pairs = pairs_of(rows)
    scores = DiverseSubset(share=0.5).score(pairs, context_of(pairs, {}, 5))
    ranks = scores["rank"].to_list()
    assert ranks[:4] * 3 == ranks
    assert scores["picked"].sum() == 6


def test_parameters() -> None:
    with pytest.raises(ValueError, match="not both"):
        DiverseSubset(share=0.5, rows=3)
    with pytest.raises(ValueError, match="k_centre"):
        DiverseSubset(share=0.1, quality="margin")
