"""Threads that wait must not spin: time of a run with two threads and with one, beside a load.

    python -m tests.benchmarks.threads [--repeats 3] [--pairs 10000]

Each run is a process of its own; the load (one busy process a core) is made here. It prints, for
each group of scorers, the ratio of the medians: 1.2 is the goal.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GROUPS = (
    ("crm",),
    ("reward_margin", "noise_score", "mc_dropout", "donod"),
    ("knn_diversity", "label_em"),
)
_RUN = """
import json, sys, time
from curate import Pipeline
started = time.perf_counter()
Pipeline(json.loads(sys.argv[1])).run()
print(time.perf_counter() - started)
"""


def write_pairs(path: Path, count: int) -> None:
    """Pairs of random words."""
    rng = random.Random(0)
    words = [f"w{i}" for i in range(3000)]

    def text(length: int) -> str:
        return " ".join(rng.choices(words, k=length))

    rows = ({"prompt": text(12), "chosen": text(30), "rejected": text(25)} for _ in range(count))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def seconds(scorers: tuple[str, ...], data: Path, threads: int) -> float:
    """Wall time of one run, start not included."""
    config = {
        "input": {"path": str(data)},
        "embedder": {"name": "static"},
        "store": None,
        "scorers": [{"type": name} for name in scorers],
        "output": {"report": False},
    }
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(threads))}
    done = subprocess.run(
        [sys.executable, "-c", _RUN, json.dumps(config)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def main() -> None:
    """Print a line for each group."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=10_000)
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "pairs.jsonl"
            write_pairs(data, options.pairs)
            time.sleep(1)
            for scorers in GROUPS:
                results: dict[int, list[float]] = {1: [], 2: []}
                for _ in range(options.repeats):
                    for threads, times in results.items():
                        times.append(seconds(scorers, data, threads))
                one, two = (statistics.median(results[n]) for n in (1, 2))
                print(f"{' '.join(scorers)}: one {one:.1f} s, two {two:.1f} s, {two / one:.2f}")
    finally:
        for process in load:
            process.kill()


if __name__ == "__main__":
    main()
