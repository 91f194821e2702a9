from __future__ import annotations

import numpy as np
import pytest
import torch

from curate.models.heads.general_heads import GeneralHeads
from curate.scorers.research.general_preference import GeneralPreference
from tests.helpers import Simulation, context_of, pairs_of, simulate


def cycle(count: int = 300, seed: int = 0) -> Simulation:
    """Answers of three styles, of which each beats the next: A over B over C over A."""
    rng = np.random.default_rng(seed)
    centres = np.array([[np.cos(a), np.sin(a), 0.0, 0.0] for a in (0.0, 2.1, 4.2)])
    rows, vectors = [], {}
    for i in range(count):
        winner = int(rng.integers(3))
        rows.append({"prompt": f"p{i}", "chosen": f"c{i}", "rejected": f"r{i}"})
        vectors[f"c{i}"] = centres[winner] + rng.normal(0, 0.15, 4)
        vectors[f"r{i}"] = centres[(winner + 1) % 3] + rng.normal(0, 0.15, 4)
    pairs = pairs_of(rows)
    context = context_of(pairs, vectors, 4)
    return Simulation(pairs, context, np.zeros(count, dtype=bool), np.ones(count))


def test_scores_are_antisymmetric_and_hold_a_perfect_cycle() -> None:
    heads = GeneralHeads(2, 1, 1, 0.0, torch.Generator().manual_seed(0))
    with torch.no_grad():
        heads.weight[:] = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]])
    angles = torch.tensor([0.0, 2 * np.pi / 3, 4 * np.pi / 3])
    points = torch.stack([angles.cos(), angles.sin()], dim=1).float()
    around = heads.margins(points[[1, 2, 0]], points[[0, 1, 2]])
    assert torch.allclose(around, around[0].expand_as(around), atol=1e-6)
    assert around.abs().min() > 0.8
    assert torch.equal(heads.margins(points, points), torch.zeros(3, 1))
    assert torch.equal(
        heads.margins(points[:1], points[1:2]), -heads.margins(points[1:2], points[:1])
    )


def test_the_constant_lets_a_block_hold_a_reward() -> None:
    heads = GeneralHeads(3, 1, 1, 0.0, torch.Generator().manual_seed(0))
    reward = torch.tensor([0.5, -1.0, 2.0])
    with torch.no_grad():
        heads.weight.zero_()
        heads.weight[0, :3, 1] = reward
        heads.weight[0, 3, 0] = 1.0
    chosen, rejected = torch.randn(2, 6, 3)
    expected = (chosen - rejected) @ reward
    assert torch.allclose(heads.margins(chosen, rejected)[:, 0], expected, atol=1e-5)


def test_a_cycle_is_fitted_held_out_and_not_called_wrong() -> None:
    sim = cycle()
    scores = GeneralPreference().score(sim.pairs, sim.context)
    kinds = scores["kind"].value_counts(sort=True)
    assert (scores["margin"] > 0).mean() > 0.97
    # An order can be right about two of the three at most.
    assert (scores["reward_margin"] > 0).mean() < 0.75
    assert (scores["kind"] == "wrong").sum() <= 9, kinds
    assert sim.context.facts["gain"] > 0.3
    assert sim.context.facts["intransitive_share"] > 0.05


@pytest.mark.slow
def test_without_cycles_it_says_that_there_are_none() -> None:
    sim = simulate(900, flips=0.2)
    scores = GeneralPreference().score(sim.pairs, sim.context)
    assert sim.context.facts["intransitive_share"] == 0
    assert any("cycle" in warning for warning in sim.context.warnings)
    wrong = (scores["margin"] < 0).to_numpy()
    assert wrong[sim.flipped].mean() > wrong[~sim.flipped].mean() + 0.3
    assert scores["margin"].to_numpy().mean() == pytest.approx(
        scores["reward_margin"].to_numpy().mean(), abs=1.0
    )
