"""DONOD's closed form against a real step, and the identities of the method."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from curate.scorers.research.donod import DONOD, don_nod
from tests.helpers import simulate

FLOATS = st.floats(-6, 6)


def stepped(difference: torch.Tensor, weight: torch.Tensor, step: float) -> tuple[float, float]:
    """NOD and ||W'|| - ||W|| by autograd: clone, step, measure."""
    stepped_weight = weight.clone().requires_grad_()
    loss = torch.nn.functional.softplus(-(difference @ stepped_weight))
    (gradient,) = torch.autograd.grad(loss, stepped_weight)
    after = weight - step * gradient
    return (after - weight).norm().item(), (after.norm() - weight.norm()).item()


@pytest.mark.parametrize("step", [1e-3, 0.1, 5.0])
def test_the_closed_form_equals_a_step_by_autograd(step: float) -> None:
    generator = torch.Generator().manual_seed(0)
    difference = torch.randn(50, 7, generator=generator, dtype=torch.float64)
    weight = torch.randn(7, generator=generator, dtype=torch.float64)
    margin, norm = (difference @ weight).numpy(), difference.norm(dim=1).numpy()
    nod, grows = don_nod(margin, norm, np.full(50, weight.norm().item()), step)
    expected = [stepped(d, weight, step) for d in difference]
    np.testing.assert_allclose(nod, [e[0] for e in expected], rtol=1e-9)
    np.testing.assert_allclose(grows, [e[1] for e in expected], rtol=1e-6, atol=1e-12)


def test_the_stable_form_keeps_digits_that_the_difference_of_norms_loses() -> None:
    margin, norm, weight, step = np.array([0.7]), np.array([1.0]), np.array([1e4]), 1e-6
    exact = step / (1 + np.exp(0.7)) * 0.7 / 1e4  # first order; the next is 1e-14 of it
    assert don_nod(margin, norm, weight, step)[1][0] == pytest.approx(exact, rel=1e-5)
    after = np.sqrt(weight**2 + 2 * exact * 1e4)
    assert abs(float((after - weight)[0]) - exact) > 0.01 * exact


@given(margin=FLOATS, norm=st.floats(0.1, 5))
def test_a_flip_multiplies_nod_by_e_to_the_margin(margin: float, norm: float) -> None:
    values = np.array([margin, -margin])
    nod, _ = don_nod(values, np.array([norm, norm]), np.ones(2), 0.01)
    assert nod[1] / nod[0] == pytest.approx(np.exp(margin))


def test_at_margin_zero_a_pair_and_its_flip_look_the_same() -> None:
    nod, grows = don_nod(np.zeros(2), np.ones(2), np.ones(2), 0.01)
    assert nod[0] == nod[1] == pytest.approx(0.005)
    assert grows[0] == grows[1]


def test_rightly_ranked_pairs_grow_the_head_and_wrongly_ranked_ones_shrink_it() -> None:
    """Why the paper's direction prefers suspected flips on a Bradley-Terry head."""
    _, grows = don_nod(np.array([2.0, -2.0]), np.ones(2), np.full(2, 3.0), 1e-3)
    assert grows[0] > 0 > grows[1]


@pytest.mark.slow
@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_scores_find_flips(head: str) -> None:
    sim = simulate(600)
    scores = DONOD(head=head, repeats=2).score(sim.pairs, sim.context)
    assert roc_auc_score(sim.flipped, scores["nod"].to_numpy()) > 0.7


def test_don_direction_is_only_a_sign() -> None:
    before, after = (
        DONOD(don_direction=d).score(s.pairs, s.context)["don"].to_numpy()
        for d, s in (("before_minus_after", simulate(100)), ("after_minus_before", simulate(100)))
    )
    np.testing.assert_array_equal(before, -after)
