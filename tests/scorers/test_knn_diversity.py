from __future__ import annotations

import numpy as np
import pytest

from curate.models.embed import neighbours
from curate.scorers.knn_diversity import KNNDiversity
from tests.helpers import context_of, numbered_pairs, simulate


def unit(count: int, dim: int = 6) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_pairs_of_one_prompt_share_its_score_and_do_not_count_as_neighbours() -> None:
    sim = simulate(60)
    scores = KNNDiversity(k=3).score(sim.pairs, sim.context)
    assert scores["distance"].to_list()[:30] == scores["distance"].to_list()[30:]
    assert scores["nearest"].min() > 0.01
    np.testing.assert_allclose(
        np.exp(scores["entropy"].to_numpy()) >= scores["distance"].to_numpy() - 1e-9, True
    )


def test_fewer_prompts_than_k_warns_and_a_single_one_has_no_score() -> None:
    pairs = numbered_pairs(6, prompts=3)
    context = context_of(pairs, {}, 4)
    scores = KNNDiversity(k=10).score(pairs, context)
    assert scores["distance"].null_count() == 0
    assert "only 3 distinct prompts, so k = 2" in context.warnings[0]
    alone = numbered_pairs(4, prompts=1)
    scores = KNNDiversity().score(alone, context_of(alone, {}, 4))
    assert scores["status"].to_list() == ["single prompt"] * 4
    assert scores["distance"].null_count() == 4


def test_an_outlier_is_most_diverse() -> None:
    pairs = numbered_pairs(20)
    vectors = {f"prompt {i}": unit(1)[0] + np.float32(0.01 * i) for i in range(19)}
    vectors["prompt 19"] = -unit(1)[0]
    vectors = {k: v / np.linalg.norm(v) for k, v in vectors.items()}
    scores = KNNDiversity(k=3).score(pairs, context_of(pairs, vectors, 6))
    assert scores["distance"].arg_max() == 19
    assert scores["distance"][19] == pytest.approx(2.0, abs=0.1)


def test_an_approximate_search_tells_its_recall(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of so few rows all products would be cheaper.
    monkeypatch.setattr(neighbours, "_MAX_PROBED_SHARE", 1.0)
    sim = simulate(600)
    exact = KNNDiversity(k=3).score(sim.pairs, sim.context)
    context = sim.context.for_step()
    near = KNNDiversity(k=3, exact_below=100).score(sim.pairs, context)
    assert context.facts["neighbours"]["index"] == "ivf"
    assert context.facts["neighbours"]["recall@3"] >= 0.95
    same = np.isclose(near["distance"], exact["distance"], atol=1e-3)
    assert same.mean() > 0.85
    assert (near["distance"].to_numpy() >= exact["distance"].to_numpy() - 1e-3).all()
