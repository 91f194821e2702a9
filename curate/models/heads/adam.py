"""Adam with a half-cosine schedule, without the compiler that torch's optimisers import.

The first `torch.optim.Adam` of a process loads torch's compiler, which takes two CPU seconds: more
than a thousand steps of heads on fixed features.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

_MEAN_DECAY, _SQUARE_DECAY, _EPSILON = 0.9, 0.999, 1e-8


class CosineAdam:
    """Adam (Kingma and Ba 2015) with torch's defaults; its rate falls to 0 by a half cosine.

    Args:
        parameters: to train.
        learning_rate: of the first step.
        steps: until the rate is 0; None keeps the rate.

    Examples:
        >>> weight = torch.zeros(1, requires_grad=True)
        >>> adam = CosineAdam([weight], learning_rate=0.5, steps=2)
        >>> adam.minimise((weight - 1).square().sum())
        >>> round(weight.item(), 4)
        0.5
    """

    def __init__(
        self, parameters: Iterable[Tensor], learning_rate: float, steps: int | None = None
    ) -> None:
        self._parameters = list(parameters)
        self._rate, self._steps, self._step = learning_rate, steps, 0
        self._means = [torch.zeros_like(p) for p in self._parameters]
        self._squares = [torch.zeros_like(p) for p in self._parameters]

    def minimise(self, objective: Tensor) -> None:
        """Take one step down the gradient of an objective; it must depend on all parameters."""
        gradients = torch.autograd.grad(objective, self._parameters)
        rate = self._rate
        if self._steps is not None:
            rate *= 0.5 * (1.0 + math.cos(math.pi * self._step / self._steps))
        self._step += 1
        # Means of few steps are too near to 0, from which they started.
        step_size = rate / (1.0 - _MEAN_DECAY**self._step)
        correction = math.sqrt(1.0 - _SQUARE_DECAY**self._step)
        with torch.no_grad():
            for parameter, gradient, mean, square in zip(
                self._parameters, gradients, self._means, self._squares, strict=True
            ):
                mean.lerp_(gradient, 1.0 - _MEAN_DECAY)
                square.mul_(_SQUARE_DECAY).addcmul_(gradient, gradient, value=1.0 - _SQUARE_DECAY)
                spread = (square.sqrt() / correction).add_(_EPSILON)
                parameter.addcdiv_(mean, spread, value=-step_size)
