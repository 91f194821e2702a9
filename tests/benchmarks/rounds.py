"""Two rounds on a simulated policy: are the labels that are kept right?

Rewards are linear in 24 numbers, people label 150 gold pairs and err on a tenth, each round labels
200 prompts of five answers. Printed: mean share of right labels over eight seeds and its standard
deviation. `python -m tests.benchmarks.rounds`
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from tests.simulated_rounds import World, do_round, embedded_by, kept_of

_SEEDS = 8
_PLANS = (
    ("all that pass the majority (UPO's first gate)", {"vote": 0.5, "easy": 1.0}),
    ("half of them by UPO's easy odds", {"vote": 0.5, "easy": 0.5}),
    ("those with 98 % of the votes", {"vote": 0.98, "easy": 1.0}),
)


def main() -> None:
    """Print a row for each plan."""
    for name, plan in _PLANS:
        rows = np.array([_rounds(seed, plan) for seed in range(_SEEDS)])
        mean, spread = rows.mean(axis=0), rows.std(axis=0, ddof=1)
        cells = [f"{m:.3f} ({s:.3f})" for m, s in zip(mean, spread, strict=True)]
        print(f"{name}: round 1 {cells[0]} of {mean[2]:.0f}, round 2 {cells[1]} of {mean[3]:.0f}")


def _rounds(seed: int, plan: dict[str, float]) -> list[float]:
    world = World(seed)
    gold = world.gold(150)
    with embedded_by(world), tempfile.TemporaryDirectory() as scratch:
        first, second = Path(scratch) / "1", Path(scratch) / "2"
        do_round(first, world.pool(200), gold, **plan)
        do_round(second, world.pool(200, "more"), gold, before=first, **plan)
        kept_pairs = [kept_of(folder) for folder in (first, second)]
    return [*(float(world.right(k).mean()) for k in kept_pairs), *(len(k) for k in kept_pairs)]


if __name__ == "__main__":
    main()
