"""Losses of a preference margin, plain and robust against wrong labels.

Each is a function of the margin m alone, with p = sigma(m) the model's probability of the observed
label; its gradient is -weight(p), and the weight at p -> 0 says how hard a confidently contradicted
label still pulls. The weights stand with each loss and are tested against autograd.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

LossKind = Literal["bt", "cdpo", "rdpo", "lcpo", "holder", "ropo", "drdpo"]
Loss = Callable[[Tensor], Tensor]

# LCPO: eta_0 = 0.9 was best in the paper's ablation. Hoelder-DPO: gamma = 2 of the paper. Dr.DPO:
# beta' = 1 of the released code.
DEFAULTS: dict[LossKind, float] = {
    "bt": 0.0,
    "cdpo": 0.1,
    "rdpo": 0.1,
    "lcpo": 0.9,
    "holder": 2.0,
    "ropo": 14.0,
    "drdpo": 1.0,
}
"""Each loss's parameter where none is given: flip rate, reliability, gamma, alpha or beta'."""


def bradley_terry(margin: Tensor) -> Tensor:
    """Return -log p; weight 1 - p (Bradley and Terry 1952; DPO has the same form)."""
    return functional.softplus(-margin)


def cdpo(margin: Tensor, rate: float) -> Tensor:
    """Return -(1 - e) log p - e log(1 - p), label smoothing e; weight 1 - p - e (cDPO)."""
    return (1.0 - rate) * bradley_terry(margin) + rate * bradley_terry(-margin)


def rdpo(margin: Tensor, rate: float) -> Tensor:
    """Return [-(1 - e) log p + e log(1 - p)] / (1 - 2e), known flip rate e; weight 1 - p + e / (1 -
    2e).

    Unbiased for independent flips, unbounded below (rDPO, arXiv 2403.00409).
    """
    # In expectation over flips this is the loss of the clean label.
    straight = (1.0 - rate) * bradley_terry(margin) - rate * bradley_terry(-margin)
    return straight / (1.0 - 2.0 * rate)


def lcpo(margin: Tensor, reliability: float) -> Tensor:
    """Return -log(p eta + (1 - p)(1 - eta)); weight w - p, w the posterior that the label is right.

    Its gradient is that of the M step of LCPO / RE-PO, weights held fixed (arXiv 2509.24159).
    """
    # In logs: at large margins p rounds to 0 or 1, and its log to minus infinity.
    right = math.log(reliability) + functional.logsigmoid(margin)
    wrong = math.log1p(-reliability) + functional.logsigmoid(-margin)
    return -torch.logaddexp(right, wrong)


def holder(margin: Tensor, gamma: float) -> Tensor:
    """Return -(1 + g) p^g + g p^(1 + g); weight g (1 + g) p^g (1 - p)^2 (Hoelder-DPO,
    2505.17859)."""
    # Powers of p, not of log p: a label that is surely contradicted pulls no more.
    p = torch.sigmoid(margin)
    return -(1.0 + gamma) * p.pow(gamma) + gamma * p.pow(1.0 + gamma)


def ropo(margin: Tensor, alpha: float) -> Tensor:
    """Return 4a / (1 + a)^2 [-log p + a (1 - p)]; weight 4a / (1 + a)^2 (1 - p)(1 + a p).

    ROPO, arXiv 2404.04102; constant and alpha = 14 are from memory of the paper, not verified.
    """
    # With this constant the largest gradient weight is exactly 1, at 1 - p = (1 + a) / (2 a).
    constant = 4.0 * alpha / (1.0 + alpha) ** 2
    return constant * (bradley_terry(margin) + alpha * torch.sigmoid(-margin))


def drdpo(margin: Tensor, beta: float) -> Tensor:
    """Return each pair's share of -b log mean exp(-l / b), l = -log p, whose mean is that loss.

    The mean goes over the rows of a batch, head by head; weight p^(1/b) (1 - p) / mean p^(1/b)
    (Dr.DPO, arXiv 2407.07880, in its released form).
    """
    scaled = functional.logsigmoid(margin) / beta
    # The mean over the batch: a row's gradient is weighed by its share of it.
    pooled = torch.logsumexp(scaled, dim=0, keepdim=True) - math.log(len(margin))
    return (-beta * pooled).expand_as(margin)


def make_loss(kind: LossKind, parameter: float | None = None) -> Loss:
    """Return the elementwise loss of a margin called `kind`, with its parameter or the default
    one."""
    value = DEFAULTS[kind] if parameter is None else parameter
    if kind == "bt":
        return bradley_terry
    table = {
        "cdpo": cdpo,
        "rdpo": rdpo,
        "lcpo": lcpo,
        "holder": holder,
        "ropo": ropo,
        "drdpo": drdpo,
    }
    function = table[kind]
    return lambda margin: function(margin, value)
