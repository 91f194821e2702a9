"""CPU seconds of each step of a job, compared with those of the last release.

python -m tests.benchmarks.cpu_steps [--rows 10000] [--write]

A step's seconds are divided by those of a fixed product of matrices on the same machine, so that
machines can be compared. With --write the ratios become the committed ones (at a release); without,
a step that takes more than 25 % longer ends the script with 1, which the benchmark job alone runs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.scale import SCORERS, make, pipeline

RELEASE = Path(__file__).with_name("cpu_steps.json")
_MOST = 1.25
_MIN_RATIO = 0.5
"""Shorter steps are left out: their times are those of other work on the machine."""


def product_seconds() -> float:
    """Return CPU seconds of a fixed product, the least of five."""
    matrix, durations = np.ones((3000, 3000), np.float32), []
    for _ in range(5):
        started = time.process_time()
        matrix @ matrix
        durations.append(time.process_time() - started)
    return min(durations)


def step_ratios(rows: int) -> dict[str, float]:
    """Return CPU seconds of each step and of the rest, as multiples of the product's."""
    from curate import Pipeline

    # Steps read this clock: of CPU seconds, other work on the machine takes none.
    time.perf_counter = time.process_time
    product = product_seconds()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data.parquet")
        make(data, rows)
        config = pipeline(data, Path(folder, "store"), "local", SCORERS)
        started = time.process_time()
        result = Pipeline(config).run(output=Path(folder, "run"))
        total = time.process_time() - started
    seconds = {step.name: step.seconds for step in result.steps}
    seconds["rest"] = total - sum(seconds.values())
    return {name: round(value / product, 2) for name, value in seconds.items()}


def slower_steps(now: dict[str, float], before: dict[str, float]) -> list[str]:
    """Return a line for each step that takes longer than the release allows."""
    return [
        f"{name}: {now[name]:.2f} times the product, {before[name]:.2f} at the last release"
        for name in before.keys() & now.keys()
        if now[name] > _MOST * max(before[name], _MIN_RATIO)
    ]


def main() -> None:
    """Print the ratios, and compare or write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    ratios = step_ratios(options.rows)
    print(json.dumps(ratios, indent=2))
    if options.write:
        RELEASE.write_text(json.dumps({str(options.rows): ratios}, indent=2) + "\n")
        return
    before = json.loads(RELEASE.read_text()) if RELEASE.exists() else {}
    slower = slower_steps(ratios, before.get(str(options.rows), {}))
    print("\n".join(slower))
    sys.exit(bool(slower))


if __name__ == "__main__":
    main()
