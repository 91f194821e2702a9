"""Batched heads against naive loops, autograd and the optimum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import expit

from curate.models.heads.build import initialise_heads
from curate.models.heads.modules import HeadSpec, MLPHeads, dropout_mask, fit_heads

KINDS = ["linear", "mlp"]


def features(count: int, dim: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    chosen, rejected = torch.randn(2, count, dim, generator=generator)
    scale = (chosen - rejected).square().sum(1).mean().sqrt()
    return chosen / scale, rejected / scale


@pytest.mark.parametrize("kind", KINDS)
def test_swapping_the_answers_negates_every_margin_exactly(kind: str) -> None:
    chosen, rejected = features(50, 6)
    heads = initialise_heads(HeadSpec(kind=kind), 6, 4, seed=1)  # type: ignore[arg-type]
    with torch.no_grad():
        assert torch.equal(heads.margins(chosen, rejected), -heads.margins(rejected, chosen))


def test_mlp_margins_equal_a_loop_over_heads() -> None:
    chosen, rejected = (part.double() for part in features(20, 6))
    heads = MLPHeads(6, 5, 3, 1.0, torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        heads.bias.normal_()
        margins = heads.margins(chosen, rejected)
        for head in range(3):

            def reward(x: torch.Tensor, j: int = head) -> torch.Tensor:
                hidden = torch.nn.functional.gelu(x * 6**0.5 @ heads.first[j] + heads.bias[j, 0])
                return hidden @ heads.last[j]

            torch.testing.assert_close(margins[:, head], reward(chosen) - reward(rejected))


@pytest.mark.parametrize("kind", KINDS)
def test_output_layer_norms_are_those_of_the_gradient(kind: str) -> None:
    """d margin / d (output weights) is the hidden difference."""
    chosen, rejected = (part.double() for part in features(8, 6))
    heads = initialise_heads(HeadSpec(kind=kind, hidden=5), 6, 3, seed=1).double()  # type: ignore[arg-type]
    norms = heads.seen_norm(chosen, rejected)
    weight = heads.get_parameter("weight" if kind == "linear" else "last")
    for row in range(8):
        margin = heads.margins(chosen[row : row + 1], rejected[row : row + 1])[0]
        for head in range(3):
            (gradient,) = torch.autograd.grad(margin[head], weight, retain_graph=True)
            torch.testing.assert_close(norms[row, head], gradient.norm())
    head_norms = weight.norm(dim=0) if kind == "linear" else weight.norm(dim=1)
    torch.testing.assert_close(heads.output_norm(), head_norms)


@pytest.mark.parametrize("kind", KINDS)
def test_masked_margins_equal_one_pass_at_a_time(kind: str) -> None:
    chosen, rejected = features(30, 6)
    heads = initialise_heads(HeadSpec(kind=kind, hidden=5), 6, 3, seed=1)  # type: ignore[arg-type]
    masks = dropout_mask(7, heads.units(), 0.4, torch.Generator().manual_seed(2))
    with torch.no_grad():
        for head in range(3):
            fast = heads.masked_margins(chosen, rejected, head, masks)
            slow = [heads.margins(chosen, rejected, mask[None])[:, head] for mask in masks]
            torch.testing.assert_close(fast, torch.stack(slow, dim=1))


def test_dropout_mask_keeps_the_mean() -> None:
    mask = dropout_mask(2000, 50, 0.25, torch.Generator().manual_seed(0))
    assert sorted(mask.unique().tolist()) == pytest.approx([0.0, 4 / 3])
    assert mask.mean().item() == pytest.approx(1.0, abs=0.01)


def test_the_batched_fit_reaches_the_optimum_of_each_head() -> None:
    """Three heads on different pairs, each against scipy's optimum of the same objective."""
    chosen, rejected = features(400, 5)
    difference = (chosen - rejected).double().numpy()
    truth = np.array([3.0, -2.0, 1.0, 0.0, 0.5])
    wins = np.random.default_rng(0).random(400) < expit(difference @ truth)
    sign = torch.from_numpy(np.where(wins, 1.0, -1.0)).float()[:, None]
    better, worse = torch.where(sign > 0, chosen, rejected), torch.where(sign > 0, rejected, chosen)
    weights = (torch.rand(400, 3, generator=torch.Generator().manual_seed(3)) < 0.7).float()
    spec = HeadSpec(l2=2.0, steps=800)
    heads = initialise_heads(spec, 5, 3, seed=0)
    fit_heads(heads, better, worse, weights, spec, seed=0)
    signed = difference * sign.double().numpy()
    for head in range(3):
        use = weights[:, head].double().numpy()

        def objective(w: np.ndarray, use: np.ndarray = use) -> float:
            return float((use * np.logaddexp(0, -signed @ w)).sum() + 1.0 * w @ w)

        best = minimize(objective, np.zeros(5)).x
        solution = heads.get_parameter("weight")[:, head].detach().double().numpy()
        np.testing.assert_allclose(solution, best, atol=0.02)


def test_a_pair_of_weight_zero_teaches_nothing() -> None:
    chosen, rejected = features(60, 4)
    weights = torch.ones(60, 1)
    weights[30:] = 0
    spec = HeadSpec(steps=50, batch=100)
    one, two = (initialise_heads(spec, 4, 1, seed=0) for _ in range(2))
    fit_heads(one, chosen, rejected, weights, spec, seed=0)
    other = rejected.clone()
    other[30:] = torch.randn(30, 4)
    fit_heads(two, chosen, other, weights, spec, seed=0)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
