"""Speed of the heads against the naive way, as ratios within one run.

python tests/benchmarks/heads.py [--pairs 5000] [--dim 384]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from curate.models.heads.build import initialise_heads
from curate.models.heads.modules import HeadSpec, LinearHeads, dropout_mask, fit_heads
from curate.scorers.research.donod import don_nod

HEADS = 40
PASSES = 100


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The least wall time of a few runs, after one that warms up."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def features(pairs: int, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    chosen, rejected = torch.randn(2, pairs, dim, generator=torch.Generator().manual_seed(0))
    scale = (chosen - rejected).square().sum(1).mean().sqrt()
    return chosen / scale, rejected / scale


def ensemble(chosen: torch.Tensor, rejected: torch.Tensor) -> tuple[float, float]:
    """40 heads one by one, and as one batch."""
    spec, weights = HeadSpec(), torch.ones(len(chosen), HEADS)

    def train(count: int) -> None:
        heads = initialise_heads(spec, chosen.shape[1], count, seed=0)
        fit_heads(heads, chosen, rejected, weights[:, :count], spec, seed=0)

    return seconds(lambda: [train(1) for _ in range(HEADS)], 1), seconds(lambda: train(HEADS))


def dropout(chosen: torch.Tensor, rejected: torch.Tensor) -> tuple[float, float]:
    """One pass, and 100 passes as one product."""
    heads = LinearHeads(torch.randn(chosen.shape[1], 1, generator=torch.Generator().manual_seed(0)))
    masks = dropout_mask(PASSES, heads.units(), 0.1, torch.Generator().manual_seed(1))
    with torch.no_grad():
        one = seconds(lambda: heads.masked_margins(chosen, rejected, 0, masks[:1]), 20)
        many = seconds(lambda: heads.masked_margins(chosen, rejected, 0, masks), 20)
    return one, many


def donod(chosen: torch.Tensor, rejected: torch.Tensor) -> tuple[float, float]:
    """Clone, step, measure and restore for each pair, and the closed form."""
    weight = torch.randn(chosen.shape[1])

    def probe() -> list[tuple[float, float]]:
        out = []
        for difference in chosen - rejected:
            margins = weight.clone().requires_grad_()
            torch.nn.functional.softplus(-(difference @ margins)).backward()
            assert margins.grad is not None
            after = weight - 0.01 * margins.grad
            out.append(((after - weight).norm().item(), (after.norm() - weight.norm()).item()))
        return out

    def closed() -> tuple[np.ndarray, np.ndarray]:
        difference = chosen - rejected
        margin = (difference @ weight).double().numpy()
        norms = difference.norm(dim=1).double().numpy()
        return don_nod(margin, norms, np.full(len(margin), weight.norm().item()), 0.01)

    return seconds(probe, 1), seconds(closed, 20)


def main() -> None:
    """Print one table of times and ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5000)
    parser.add_argument("--dim", type=int, default=384)
    arguments = parser.parse_args()
    chosen, rejected = features(arguments.pairs, arguments.dim)
    title = (
        f"{arguments.pairs} pairs, {arguments.dim} dimensions, {torch.get_num_threads()} threads"
    )
    table = Table("what", "seconds", "against", "seconds", "ratio", title=title)
    slow, fast = ensemble(chosen, rejected)
    table.add_row(
        f"{HEADS} heads one by one", f"{slow:.3f}", "one batch", f"{fast:.3f}", f"{slow / fast:.1f}"
    )
    one, many = dropout(chosen, rejected)
    table.add_row(
        f"{PASSES} dropout passes", f"{many:.5f}", "one pass", f"{one:.5f}", f"{many / one:.1f}"
    )
    slow, fast = donod(chosen, rejected)
    table.add_row(
        "DONOD by clone and step", f"{slow:.3f}", "closed form", f"{fast:.5f}", f"{slow / fast:.0f}"
    )
    Console().print(table)


if __name__ == "__main__":
    main()
