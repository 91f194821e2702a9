"""How many pairs to judge for which width of the noise rate's interval.

    python -m tests.benchmarks.gold

Simulated labels and predictions (AUROC .75, as on the better real sets), 4,000 pairs, 200 draws:
mean width of the interval of `curate audit --gold`, and how often it held the truth. Then the same
for the interval that `curate review` shows, which holds whenever the reviewer stops: held means at
all times.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from curate.auditing.confidence_sequence import ConfidenceSequence, DrawDesign
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


def anytime_cell(
    rate: float, sampling: Sampling, has_scores: bool, sizes: tuple[int, ...]
) -> tuple[list[float], float, float]:
    """Mean width after each number of verdicts, reviews that always held the truth, and the mean
    verdicts until the interval was 20 points wide."""
    widths, covered, stops = [], [], []
    for seed in range(_DRAWS):
        rng = np.random.default_rng(seed)
        wrong = rng.random(_PAIRS) < rate
        # In proportion to the log odds: probabilities that are right on average.
        shift = np.log(rate / (1.0 - rate))
        signal = 2 * _WORTH * (_WORTH * np.where(wrong, 1.0, -1.0) + rng.normal(size=_PAIRS))
        scores = pl.Series(1.0 / (1.0 + np.exp(-signal - shift))) if has_scores else None
        ids = [str(i) for i in range(_PAIRS)]
        pairs = pl.DataFrame({"pair_id": ids, "is_tie": [False] * _PAIRS})
        sample = draw_sample(pairs, scores, max(sizes), sampling, 10_000 + seed)
        design = DrawDesign.from_sample(sample)
        assert design is not None
        sequence, path, is_right = ConfidenceSequence(design), [], True
        for at in sample.with_row_index("at").filter("drawn").sort("order")["at"]:
            sequence.add(at, float(wrong[at]))
            path.append(sequence.high - sequence.low)
            is_right &= sequence.low <= wrong.mean() <= sequence.high
        widths.append([path[size - 1] for size in sizes])
        covered.append(is_right)
        stops.append(next((n for n, width in enumerate(path, 1) if width <= 0.2), len(path)))
    return list(np.mean(widths, axis=0)), float(np.mean(covered)), float(np.mean(stops))


def main() -> None:
    """Print the table."""
    print("rate  judged  random: width, held   stratified: width, held")
    for rate in (0.05, 0.1, 0.2, 0.4):
        for sample_size in (50, 100, 200, 400):
            cells = [cell(rate, sample_size, way) for way in ("random", "stratified")]
            widths = "   ".join(f"{width:.3f}  {covered:.3f}" for width, covered in cells)
            print(f"{rate:.2f}  {sample_size:6}  {widths}")
    sizes = (50, 100, 200, 400)
    print(f"\nat all times: rate, draw, width after {sizes}, held, verdicts until 20 points")
    draws: tuple[tuple[str, Sampling, bool], ...] = (
        ("random, no scores", "random", False),
        ("random, scores", "random", True),
        ("active", "active", True),
    )
    for rate in (0.05, 0.1, 0.2, 0.4):
        for name, sampling, has_scores in draws:
            path, coverage, stop = anytime_cell(rate, sampling, has_scores, sizes)
            columns = "  ".join(f"{100 * width:5.1f}" for width in path)
            print(f"{rate:.2f}  {name:18} {columns}  {coverage:.3f}  {stop:.0f}", flush=True)


if __name__ == "__main__":
    main()
