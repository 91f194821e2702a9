"""How many pairs to judge for which width of the noise rate's interval.

    python -m tests.benchmarks.gold

Simulated labels and predictions (AUROC .75, as on the better real sets), 4,000 pairs, 200 draws:
mean width of the interval of `curate audit --gold`, and how often it held the truth.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from curate.audit.gold import audit_gold
from curate.people.draw import Sampling, draw

_PAIRS, _DRAWS, _WORTH = 4000, 200, 0.477


def cell(rate: float, judged: int, sampling: Sampling) -> tuple[float, float]:
    """Mean width, and the share of intervals that held the truth."""
    widths, held = [], []
    for seed in range(_DRAWS):
        rng = np.random.default_rng(seed)
        wrong = rng.random(_PAIRS) < rate
        signal = _WORTH * np.where(wrong, 1.0, -1.0) + rng.normal(size=_PAIRS)
        f = 1.0 / (1.0 + np.exp(-signal))
        ids = [str(i) for i in range(_PAIRS)]
        pairs = pl.DataFrame({"pair_id": ids, "is_tie": [False] * _PAIRS})
        sample = draw(pairs, pl.Series(f), judged, sampling, 10_000 + seed)
        drawn = sample.filter("drawn")["pair_id"]
        said = ["flip" if wrong[int(i)] else "keep" for i in drawn]
        told = audit_gold(pairs, f, pl.DataFrame({"pair_id": drawn, "verdict": said}), sample)
        widths.append(told["high"] - told["low"])
        held.append(told["low"] <= wrong.mean() <= told["high"])
    return float(np.mean(widths)), float(np.mean(held))


def main() -> None:
    """Print the table."""
    print("rate  judged  random: width, held   stratified: width, held")
    for rate in (0.05, 0.1, 0.2, 0.4):
        for judged in (50, 100, 200, 400):
            found = [cell(rate, judged, way) for way in ("random", "stratified")]
            shown = "   ".join(f"{width:.3f}  {held:.3f}" for width, held in found)
            print(f"{rate:.2f}  {judged:6}  {shown}")


if __name__ == "__main__":
    main()
