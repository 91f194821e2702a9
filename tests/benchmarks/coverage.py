"""Whether what is told of the noise rate holds, on real sets with flips of known shares.

    python -m tests.benchmarks.coverage DATA [--seeds 5] [--patterns symmetric,annotator]

For each set of `noise_score.py`, pattern, rate and seed flips are injected into unanimous votes,
which are taken as right; what `curate audit` tells by held-out heads is compared with their share.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from curate.bench.data import BenchData
from curate.bench.patterns import inject
from curate.bench.run import cell_seed
from curate.models.heads.held_out_margins import held_out_margins
from curate.models.heads.noise_rate import rate_by_margins
from curate.steps.context import Context
from tests.benchmarks.noise_score import real_sets

RATES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4)


def cell(data: BenchData, pattern: str, rate: float, seed: int) -> dict[str, object]:
    """What is told of one noisy set, and whether it holds."""
    rng = np.random.default_rng(cell_seed(data.name, pattern, rate, seed))
    noisy, flips = inject(data, pattern, rate, rng)
    context = Context(seed=seed, features_of=lambda: noisy.features)
    margin = held_out_margins(noisy.pairs, context).margin
    told, true = rate_by_margins(margin), float(flips.mean())
    kind = "nothing" if told.high is None else "at most"
    held = told.high is not None and true <= told.high
    return {
        "pattern": pattern,
        "kind": kind,
        "held": held if kind != "nothing" else None,
        "high": told.high,
        "above": None if told.high is None else told.high - true,
    }


def main() -> None:
    """Print the share of intervals that hold the truth, by pattern and by what is told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--patterns", default="symmetric,annotator,ambiguity,topic")
    arguments = parser.parse_args()
    rows = []
    for name, data in real_sets(arguments.data):
        for pattern in arguments.patterns.split(","):
            for rate in RATES:
                cells = (cell(data, pattern, rate, seed) for seed in range(arguments.seeds))
                rows += [{"set": name, "rate": rate, **found} for found in cells]
    table = pl.DataFrame(rows, infer_schema_length=None)
    with pl.Config(tbl_rows=100, tbl_cols=20, tbl_hide_dataframe_shape=True, float_precision=3):
        for by in (["pattern", "kind"], ["pattern", "set"], ["pattern", "rate"]):
            shown = table.group_by(by, maintain_order=True).agg(
                cells=pl.len(),
                told=pl.col("held").is_not_null().mean(),
                held=pl.col("held").mean(),
                high=pl.col("high").mean(),
                above=pl.col("above").mean(),
            )
            print(shown.sort(by))


if __name__ == "__main__":
    main()
