from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from curate.scorers.research.knn_shapley import KNNShapley, shapley_values
from tests.helpers import context_of, pairs_of, simulate


def enumerate_values(count: int, worth: Callable[[tuple[int, ...]], float]) -> np.ndarray:
    """Shapley values by their definition: mean gains over all subsets without the player."""
    values = np.zeros(count)
    for player in range(count):
        other_players = [i for i in range(count) if i != player]
        for size in range(count):
            weight = 1 / (count * math.comb(count - 1, size))
            for subset in combinations(other_players, size):
                values[player] += weight * (worth((*subset, player)) - worth(subset))
    return values


@pytest.mark.parametrize("k", [1, 2, 3, 8, 11])
def test_the_recursion_equals_the_definition_over_all_subsets_of_eight(k: int) -> None:
    rng = np.random.default_rng(k)
    for _ in range(3):
        right = rng.random(8) < 0.6

        def worth(subset: tuple[int, ...], right: np.ndarray = right) -> float:
            return float(sum(right[i] for i in sorted(subset)[:k])) / k

        expected = enumerate_values(8, worth)
        np.testing.assert_allclose(shapley_values(right, k), expected, atol=1e-12)


def test_the_scorer_equals_the_definition_on_eight_pairs() -> None:
    """Two pairs have each prompt; neither helps to predict the other."""
    sim = simulate(8, dim=3, seed=5)
    directions = sim.context.features.directions()
    prompt = sim.context.features.index["prompt"]
    assert len(np.unique(prompt)) == 4
    cosines = directions @ directions.T

    def worth(subset: tuple[int, ...]) -> float:
        shares = []
        for i in range(8):
            near = sorted(
                (j for j in subset if prompt[j] != prompt[i]), key=lambda j: -abs(cosines[i, j])
            )
            shares.append(sum(cosines[i, j] > 0 for j in near[:3]) / 3)
        return float(np.mean(shares))

    scores = KNNShapley(k=3).score(sim.pairs, sim.context)
    np.testing.assert_allclose(scores["value"].to_numpy(), 8 * enumerate_values(8, worth))
    assert scores["status"].to_list() == ["ok"] * 8


def test_flipped_labels_have_low_values() -> None:
    sim = simulate(600, flips=0.2, scale=20.0, seed=3)
    values = KNNShapley(k=10).score(sim.pairs, sim.context)["value"].to_numpy()
    assert roc_auc_score(sim.flipped, -values) > 0.85
    assert np.median(values[sim.flipped]) < 0 < np.median(values[~sim.flipped])


def test_fewer_predicted_pairs_estimate_the_same_values() -> None:
    sim = simulate(600, scale=20.0, seed=4)
    full = KNNShapley().score(sim.pairs, sim.context)["value"].to_numpy()
    some = KNNShapley(predicted=300).score(sim.pairs, sim.context)["value"].to_numpy()
    assert np.corrcoef(full, some)[0, 1] > 0.9
    assert some.mean() == pytest.approx(full.mean(), abs=0.05)
    assert not np.allclose(full, some)


def test_pairs_without_a_vote_or_neighbours_say_so() -> None:
    row = {"prompt": "p", "chosen": "a", "rejected": "b"}
    rows = [row, {**row, "is_tie": True}, {**row, "prompt": "q", "rejected": "a"}]
    pairs = pairs_of(rows)
    scores = KNNShapley().score(pairs, context_of(pairs, {}, 3))
    assert scores["status"].to_list() == ["no neighbours", "tie", "identical answers"]
    assert scores["value"].is_nan().all()
