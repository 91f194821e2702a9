"""How many pairs to judge for which width of the noise rate's interval.

    python -m tests.benchmarks.gold

Simulated labels and predictions (AUROC .75, as on the better real sets), 4,000 pairs, 200 draws:
mean width of the interval of `curate audit --gold`, and how often it held the truth.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from curate.auditing.gold import audit_gold
from curate.people.sampling import Sampling, draw_sample

_PAIRS, _DRAWS, _WORTH = 4000, 200, 0.477


def cell(rate: float, sample_size: int, sampling: Sampling) -> tuple[float, float]:
    """Mean width, and the share of intervals that held the truth."""
    widths, covered = [], []
    for seed in range(_DRAWS):
        rng = np.random.default_rng(seed)
        wrong = rng.random(_PAIRS) < rate
        signal = _WORTH * np.where(wrong, 1.0, -1.0) + rng.normal(size=_PAIRS)
        f = 1.0 / (1.0 + np.exp(-signal))
        ids = [str(i) for i in range(_PAIRS)]
        pairs = pl.DataFrame({"pair_id": ids, "is_tie": [False] * _PAIRS})
        sample = draw_sample(pairs, pl.Series(f), sample_size, sampling, 10_000 + seed)
        sampled = sample.filter("drawn")["pair_id"]
        verdicts = ["flip" if wrong[int(i)] else "keep" for i in sampled]
        estimate = audit_gold(
            pairs, f, pl.DataFrame({"pair_id": sampled, "verdict": verdicts}), sample
        )
        widths.append(estimate.high - estimate.low)
        covered.append(estimate.low <= wrong.mean() <= estimate.high)
    return float(np.mean(widths)), float(np.mean(covered))


def main() -> None:
    """Print the table."""
    print("rate  judged  random: width, held   stratified: width, held")
    for rate in (0.05, 0.1, 0.2, 0.4):
        for sample_size in (50, 100, 200, 400):
            cells = [cell(rate, sample_size, way) for way in ("random", "stratified")]
            widths = "   ".join(f"{width:.3f}  {covered:.3f}" for width, covered in cells)
            print(f"{rate:.2f}  {sample_size:6}  {widths}")


if __name__ == "__main__":
    main()
