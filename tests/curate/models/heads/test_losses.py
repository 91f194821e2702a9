"""The table of section 0: every loss is a weight times the gradient of the margin."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from curate.models.heads.losses import DEFAULTS, LossKind, make_loss

Weight = Callable[[torch.Tensor], torch.Tensor]
E, ETA, GAMMA, A, B = 0.2, 0.8, 2.0, 14.0, 0.7

TABLE: dict[LossKind, tuple[float, Weight]] = {
    "bt": (0.0, lambda p: 1 - p),
    "cdpo": (E, lambda p: 1 - p - E),
    "rdpo": (E, lambda p: 1 - p + E / (1 - 2 * E)),
    "lcpo": (ETA, lambda p: p * ETA / (p * ETA + (1 - p) * (1 - ETA)) - p),
    "holder": (GAMMA, lambda p: GAMMA * (1 + GAMMA) * p**GAMMA * (1 - p) ** 2),
    "ropo": (A, lambda p: 4 * A / (1 + A) ** 2 * (1 - p) * (1 + A * p)),
    "drdpo": (B, lambda p: p ** (1 / B) * (1 - p) / (p ** (1 / B)).mean()),
}


@pytest.mark.parametrize("kind", TABLE)
def test_the_gradient_is_minus_the_weight(kind: LossKind) -> None:
    parameter, weight = TABLE[kind]
    margin = torch.linspace(-9, 9, 37, dtype=torch.float64, requires_grad=True)
    loss = make_loss(kind, parameter)(margin)
    # Dr.DPO pools a batch: its mean is the loss, and each pair's share of the sum is n times that.
    (gradient,) = torch.autograd.grad(loss.sum(), margin)
    expected = -weight(torch.sigmoid(margin)).detach()
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "parameter", "limit"),
    [
        ("bt", 0.0, 1.0),
        ("cdpo", E, 1 - E),
        ("rdpo", E, 1 + E / (1 - 2 * E)),
        ("lcpo", ETA, 0.0),
        ("holder", GAMMA, 0.0),
        ("ropo", A, 0.249),
    ],
)
def test_the_pull_of_a_confidently_contradicted_label(
    kind: LossKind, parameter: float, limit: float
) -> None:
    margin = torch.tensor([-30.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(make_loss(kind, parameter)(margin).sum(), margin)
    assert -gradient.item() == pytest.approx(limit, abs=1e-3)


def test_rdpo_is_unbiased_under_flips() -> None:
    margin = torch.linspace(-4, 4, 9, dtype=torch.float64)
    loss, clean = make_loss("rdpo", E), make_loss("bt")
    mean = (1 - E) * loss(margin) + E * loss(-margin)
    torch.testing.assert_close(mean, clean(margin))


def test_dr_dpo_pools_each_head_by_itself() -> None:
    margins = torch.randn(12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss = make_loss("drdpo", B)(margins)
    for head in range(3):
        naive = -B * torch.log(torch.exp(torch.log(torch.sigmoid(margins[:, head])) / B).mean())
        torch.testing.assert_close(loss[:, head].mean(), naive)


@pytest.mark.parametrize("kind", DEFAULTS)
def test_defaults_are_finite_at_large_margins(kind: LossKind) -> None:
    assert torch.isfinite(make_loss(kind)(torch.tensor([-80.0, 0.0, 80.0]))).all()
