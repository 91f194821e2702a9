"""Adam takes the steps of torch's own, and loads no compiler."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from curate.models.heads.adam import CosineAdam


@pytest.mark.parametrize("steps", [None, 40])
def test_steps_are_those_of_torch(steps: int | None) -> None:
    """Two parameters of different scale, with and without a schedule."""
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(30, 5, generator=generator)
    starts = [torch.randn(5, 2, generator=generator), 100 * torch.randn(2, generator=generator)]

    def loss(parameters: list[torch.Tensor]) -> torch.Tensor:
        return torch.nn.functional.softplus(data @ parameters[0] + parameters[1]).mean()

    ours = [start.clone().requires_grad_() for start in starts]
    theirs = [start.clone().requires_grad_() for start in starts]
    adam = CosineAdam(ours, 0.1, steps)
    plain = torch.optim.Adam(theirs, lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(plain, steps) if steps else None
    for _ in range(40):
        adam.minimise(loss(ours))
        plain.zero_grad()
        loss(theirs).backward()
        plain.step()
        if schedule is not None:
            schedule.step()
    for tensor, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(tensor, other, rtol=1e-5, atol=1e-6)


def test_heads_are_trained_without_the_compiler_of_torch() -> None:
    """It takes two CPU seconds to load, as `torch.optim` does."""
    code = (
        "import sys, torch; from curate.models.heads.adam import CosineAdam; "
        "w = torch.zeros(3, requires_grad=True); CosineAdam([w], 0.1, 5).minimise(w.sum()); "
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
