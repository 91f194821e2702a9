"""Time and size of a report, and what a key press costs in the review, by number of pairs.

python -m tests.benchmarks.pages [--rows 100000]
The run holds pairs recombined from the real texts of tests/data, with simulated held-out margins.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from starlette.testclient import TestClient

from curate import Pipeline
from curate.report.build import write_report
from curate.report.run_view import load_view
from curate.review.server import Review, make_app
from curate.review.verdict_log import VerdictLog
from curate.run_files import SCORES
from tests.benchmarks.export import recombined

_PRESSES = 300


def make_run(folder: Path, rows: int) -> Path:
    """A finished run whose scores hold margins and losses as heads would give them."""
    for number, part in enumerate(recombined(rows)):
        part.write_parquet(folder / f"part-{number:03d}.parquet")
    config = {
        "input": {"path": str(folder / "*.parquet")},
        "scorers": [{"type": "lengths"}],
        "filters": [{"type": "sample", "share": 0.8}],
        "output": {"report": False},
        "store": None,
    }
    run = folder / "run"
    Pipeline(config).run(output=run)
    scores = pl.read_parquet(run / SCORES)
    rng = np.random.default_rng(0)
    margin = rng.normal(1.0, 2.0, len(scores))
    scores = scores.with_columns(
        pl.Series("label_em.margin", margin),
        pl.Series("label_em.posterior", 1.0 / (1.0 + np.exp(-margin))),
        pl.Series("crm.loss_mean", np.log1p(np.exp(-margin))),
        pl.Series("crm.loss_variance", rng.gamma(2.0, 0.1, len(scores))),
    )
    scores.write_parquet(run / SCORES)
    return run


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as temporary:
        run = make_run(Path(temporary), rows)
        started = time.perf_counter()
        path = write_report(run)
        seconds = time.perf_counter() - started
        print(f"{rows:,} pairs: report in {seconds:.1f} s, {path.stat().st_size / 1e6:.1f} MB")
        client = TestClient(make_app(Review(load_view(run), VerdictLog(run, "me")), "t"))
        client.get("/?token=t")
        state = client.get("/api/state").json()
        times = []
        for press in range(_PRESSES):
            verdict = ("keep", "flip", "tie", "drop")[press % 4]
            started = time.perf_counter()
            body = {"pair_id": state["pair"]["id"], "verdict": verdict}
            state = client.post("/api/verdict", json=body).json()
            times.append((time.perf_counter() - started) * 1000)
        worst = np.quantile(times, 0.99)
        print(
            f"a verdict, on disk, and the next pair: median {statistics.median(times):.1f} ms, "
            f"99 % under {worst:.1f} ms ({state['total']:,} pairs in the queue)"
        )


if __name__ == "__main__":
    main()
