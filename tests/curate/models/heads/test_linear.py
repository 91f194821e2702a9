from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import softplus

from curate.models.heads import linear
from curate.models.heads.linear import solve_heads
from curate.models.heads.modules import HeadSpec, LinearHeads
from curate.models.heads.out_of_fold import train_heads, train_out_of_fold
from tests.helpers import simulate


def draw_pairs(pairs: int = 400, dim: int = 12, strength: float = 2.0) -> tuple[torch.Tensor, ...]:
    """Answers of pairs that a linear reward labels, chosen first."""
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, pairs, dim, generator=generator)
    reward = torch.randn(dim, generator=generator)
    margin = strength * (first - second) @ reward / reward.norm()
    wins = (torch.rand(pairs, generator=generator) < torch.sigmoid(margin))[:, None]
    return torch.where(wins, first, second), torch.where(wins, second, first)


@pytest.mark.parametrize(("strength", "off"), [(0.1, 1e-3), (2.0, 1e-3), (20.0, 1e-2)])
def test_solutions_are_those_of_scikit_learn(strength: float, off: float) -> None:
    chosen, rejected = draw_pairs(strength=strength)
    rng = np.random.default_rng(0)
    weights = torch.from_numpy(rng.random((len(chosen), 3)).astype(np.float32))
    solution = solve_heads(chosen, rejected, weights, l2=3.0)
    difference = (chosen - rejected).numpy()
    for head in range(3):
        # Each pair once with either sign, so that there are two classes.
        both = np.concatenate([difference, -difference])
        labels = np.repeat([1, 0], len(difference))
        peer = LogisticRegression(C=1 / 3.0, fit_intercept=False, tol=1e-10, max_iter=10_000)
        peer.fit(both, labels, sample_weight=np.tile(weights[:, head].numpy() / 2.0, 2))
        expected = peer.coef_[0]
        assert np.linalg.norm(solution[:, head].numpy() - expected) < off * np.linalg.norm(expected)


def test_the_gradient_by_autograd_vanishes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "_TOLERANCE", 1e-7)
    monkeypatch.setattr(linear, "_PASSES", 400)
    chosen, rejected = (t.double() for t in draw_pairs())
    weights = torch.ones(len(chosen), 1)
    solution = solve_heads(chosen, rejected, weights, 1.0).double().requires_grad_()
    loss = softplus(-(chosen - rejected) @ solution).sum() + 0.5 * solution.square().sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert solution.grad is not None
    # What is left is the rounding of the coefficients to single precision.
    assert float(solution.grad.norm()) < 1e-5 * float((chosen - rejected).sum(dim=0).norm())


def test_dropout_is_its_expected_penalty_to_second_order() -> None:
    """Where margins are small the loss is quadratic, and the mean over masks is known."""
    chosen, rejected = draw_pairs(strength=0.2)
    weights, rate = torch.ones(len(chosen), 1), 0.3
    solution = solve_heads(chosen, rejected, weights, 200.0, rate)
    difference = (chosen - rejected).double()
    gram = difference.T @ difference
    ridge = 200.0 * torch.eye(12) + 0.25 * rate / (1 - rate) * torch.diag(gram.diagonal())
    expected = torch.linalg.solve(0.25 * gram + ridge.double(), 0.5 * difference.sum(dim=0))
    torch.testing.assert_close(solution[:, 0].double(), expected, rtol=0.02, atol=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_no_head_depends_on_what_another_learns(seed: int) -> None:
    chosen, rejected = draw_pairs(60, 5)
    rng = np.random.default_rng(seed)
    weights = torch.from_numpy(rng.random((60, 2)) < 0.7)
    other = weights.clone()
    # The rows' largest weight sets the bound on the curvature, so that they stay in some head.
    other[:, 1] = torch.from_numpy(rng.random(60) < 0.7)
    held_out_weights = torch.ones(60, 1, dtype=torch.bool)
    one, two = (
        solve_heads(chosen, rejected, torch.cat([w, held_out_weights], dim=1), 1.0)
        for w in (weights, other)
    )
    assert torch.equal(one[:, 0], two[:, 0])


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, rejected = draw_pairs()
    weights = torch.ones(len(chosen), 2)
    one_block = solve_heads(chosen, rejected, weights, 1.0)
    monkeypatch.setattr(linear, "_ROWS", 7)
    torch.testing.assert_close(solve_heads(chosen, rejected, weights, 1.0), one_block)


def test_no_prior_and_features_that_depend_on_each_other() -> None:
    chosen, rejected = draw_pairs(30, 4)
    twice = [torch.cat([t, t], dim=1) for t in (chosen, rejected)]
    solution = solve_heads(*twice, torch.ones(30, 1), 0.0)
    assert torch.isfinite(solution).all()


def test_plain_linear_heads_are_solved_and_robust_ones_trained() -> None:
    chosen, rejected = draw_pairs()
    weights = torch.ones(len(chosen), 1)
    solved = solve_heads(chosen, rejected, weights, HeadSpec().l2)
    for loss, same in (("bt", True), ("cdpo", False)):
        heads = train_heads(chosen, rejected, weights, HeadSpec(loss=loss), seed=0)  # type: ignore[arg-type]
        assert isinstance(heads, LinearHeads)
        assert torch.equal(heads.weight, solved) is same


def test_a_seed_changes_only_the_folds() -> None:
    sim = simulate(200)
    one, two = (
        train_out_of_fold(sim.pairs, simulate(200).context, HeadSpec(steps=s), 2, 3).margins()
        for s in (1, 500)
    )
    assert np.array_equal(one, two)
