from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from polars.testing import assert_frame_equal

from curate.scorers.research.knn_consensus import KNNConsensus
from curate.store.scratch import ScratchSpace
from tests.helpers import context_of, pairs_of, simulate
from tests.workers import PickledWorkers


def naive(pairs: object, context: object, k: int) -> np.ndarray:
    """Mean cosine to the directions of pairs on the k nearest other prompts, pair by pair."""
    features = context.features  # type: ignore[attr-defined]
    prompt = features.index["prompt"]
    d = features.of("chosen").astype(float) - features.of("rejected")
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    out = []
    for i in range(len(d)):
        other_prompts = np.unique(prompt[prompt != prompt[i]])
        near = other_prompts[
            np.argsort(-(features.vectors[other_prompts] @ features.vectors[prompt[i]]))[:k]
        ]
        neighbour_rows = [j for j in range(len(d)) if prompt[j] in near]
        out.append(np.mean([d[i] @ d[j] for j in neighbour_rows]))
    return np.array(out)


def test_it_equals_a_loop_over_pairs_and_a_swap_negates_it() -> None:
    sim = simulate(80, seed=1)
    scores = KNNConsensus(k=4).score(sim.pairs, sim.context)
    expected = naive(sim.pairs, sim.context, 4)
    np.testing.assert_allclose(scores["consensus"].to_numpy(), expected, atol=1e-5)
    flipped = sim.context.features.flipped(np.arange(80) == 7)
    flipped_context = sim.context.for_pairs(sim.pairs, flipped)
    turned = KNNConsensus(k=4).score(sim.pairs, flipped_context)["consensus"].to_numpy()
    np.testing.assert_allclose(turned[7], -expected[7], atol=1e-5)


def test_flipped_pairs_stand_against_their_neighbours() -> None:
    """Pairs of two topics prefer along one axis or against it; some are flipped."""
    rng = np.random.default_rng(0)
    rows, vectors, flips = [], {}, rng.random(200) < 0.2
    for i in range(200):
        topic = i % 2
        rows.append({"prompt": f"p{i}", "chosen": f"c{i}", "rejected": f"r{i}"})
        vectors[f"p{i}"] = np.array([1.0, 0, 0, 0]) if topic else np.array([0, 1.0, 0, 0])
        vectors[f"p{i}"] = vectors[f"p{i}"] + rng.normal(0, 0.02, 4)
        sign = (1 if topic else -1) * (-1 if flips[i] else 1)
        noise = rng.normal(0, 0.3, (2, 4))
        vectors[f"c{i}"], vectors[f"r{i}"] = noise[0], noise[1] - np.array([0, 0, sign, 0])
    pairs = pairs_of(rows)
    scores = KNNConsensus(k=15).score(pairs, context_of(pairs, vectors, 4))
    wrong = scores["consensus"].to_numpy() < 0
    assert (wrong == flips).mean() > 0.95
    assert scores["unity"].to_numpy().mean() > 0.3
    assert scores["support"].to_list() == [15] * 200


def test_pairs_without_a_direction_say_so() -> None:
    row = {"prompt": "p", "chosen": "a", "rejected": "b"}
    rows = [row, {**row, "is_tie": True}, {**row, "prompt": "q", "rejected": "a"}]
    pairs = pairs_of(rows)
    scores = KNNConsensus().score(pairs, context_of(pairs, {}, 3))
    assert scores["status"].to_list() == ["no neighbours", "tie", "identical answers"]
    assert scores["consensus"].is_nan().all()


def test_parts_that_lie_with_workers_and_mapped_files_give_the_same(tmp_path: Path) -> None:
    sim = simulate(300, seed=2)
    scorer = KNNConsensus(k=5, exact_below=100)
    local_scores = scorer.score(sim.pairs, sim.context)
    workers = PickledWorkers()
    worker_context = replace(sim.context, workers=workers, scratch=ScratchSpace(tmp_path))
    assert_frame_equal(scorer.score(sim.pairs, worker_context), local_scores, abs_tol=1e-6)
    assert workers.calls > 0
    assert {path.stem.partition("-")[2] for path in tmp_path.iterdir()} == {
        "knn_consensus-sums",
        "knn_consensus-mean",
        "distances",
        "neighbours",
        "training_vectors",
    }
