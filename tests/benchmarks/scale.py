"""A whole run at 10 thousand, 100 thousand and 1 million pairs: time, memory, and a rerun.

python -m tests.benchmarks.scale [--rows 10000 100000 1000000] [--out FOLDER] [--engine ray]
                                 [--scorers lengths reward_margin mc_dropout donod knn_diversity]
Each run is a process of its own: read, static embeddings, eight scorers, TOPSIS, export and report.
Texts are sentences of tests/data put together anew, so that nearly all of them differ.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import random
import re
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from curate import Pipeline, read_pairs
from curate.cli.progress import console_progress
from curate.data.table import messages_text
from tests.conftest import DATA

_CHUNK = 50_000
_LONGER = 0.7
SCORERS = (
    "lengths",
    "duplicates",
    "noise_score",
    "label_em",
    "reward_margin",
    "mc_dropout",
    "donod",
    "knn_diversity",
)
CRITERIA = {
    "reward_margin.margin": "max",
    "mc_dropout.bald": "min",
    "donod.nod": "min",
    "knn_diversity.distance": "max",
}


def sentences() -> list[str]:
    """All sentences of the real prompts and answers of tests/data."""
    texts = set()
    for path in ("auto-j/slice.json", "llmbar", "hh-rlhf-harmless", "llama-factory-dpo"):
        frame = read_pairs(str(DATA / path), on_error="skip").frame
        for part in ("prompt", "chosen", "rejected"):
            for text in frame.select(t=messages_text(part))["t"].to_list():
                texts.update(s.strip() for s in re.split(r"(?<=[.!?])\s+|\n+", text))
    return sorted(part for part in texts if 20 <= len(part) <= 400)


def make(path: Path, rows: int) -> None:
    """A parquet file of `rows` pairs in TRL's form; of two texts the longer is mostly chosen."""
    rng, existing = random.Random(0), sentences()

    def text(least: int, most: int) -> str:
        return " ".join(rng.choices(existing, k=rng.randint(least, most)))

    parts = path.with_suffix("")
    parts.mkdir()
    for start in range(0, rows, _CHUNK):
        count = min(_CHUNK, rows - start)
        answers = [sorted((text(2, 9), text(2, 9)), key=len) for _ in range(count)]
        for answer in answers:
            if rng.random() < _LONGER:
                answer.reverse()
        frame = pl.DataFrame(
            {
                "prompt": [text(1, 3) for _ in range(count)],
                "chosen": [first for first, _ in answers],
                "rejected": [second for _, second in answers],
            }
        )
        frame.write_parquet(parts / f"{start:09d}.parquet")
    pl.scan_parquet(parts / "*.parquet").sink_parquet(path)


def pipeline(data: Path, store: Path, engine: str, scorers: Sequence[str]) -> dict[str, Any]:
    """The pipeline that is measured."""
    return {
        "input": {"path": str(data)},
        "embedder": {"name": "static"},
        "engine": engine,
        "store": str(store),
        "scorers": [{"type": name} for name in scorers],
        "filters": [
            {"type": "expression", "keep": "`lengths.chosen` < 8000"},
            {"type": "topsis", "keep": 0.7, "criteria": CRITERIA},
        ],
        "output": {"format": "trl"},
    }


class Memory:
    """Peak of this process's own memory and of all that is mapped, in GiB.

    Pages that an allocator has handed back, and that the system takes when it needs them, are not
    counted as its own.
    """

    def __init__(self) -> None:
        self.rss = self.all = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        # Often, since the highest points last for parts of a second.
        while not self._stop.wait(0.03):
            sizes = _gib("status")
            self.all = max(self.all, sizes["VmRSS"])
            # The sum over all maps takes long, and is asked for only where it may be a peak.
            if sizes["RssAnon"] > self.rss:
                self.rss = max(self.rss, sizes["RssAnon"] - _gib("smaps_rollup")["LazyFree"])


def _gib(file: str) -> dict[str, float]:
    """The sizes in one of the system's files on this process."""
    lines = Path("/proc/self", file).read_text(encoding="utf-8").splitlines()
    parts = (line.split() for line in lines if line.endswith("kB"))
    return {name.rstrip(":"): int(size) / 2**20 for name, size, _ in parts}


def one_run(pipe: Any, config: dict[str, Any], out: Path) -> None:
    """Run the pipeline and tell what it took."""
    with Memory() as memory, console_progress() as progress:
        started = time.perf_counter()
        result = Pipeline(config).run(output=out, overwrite=True, progress=progress)
        seconds = time.perf_counter() - started
    steps = {step.name: step.seconds for step in result.steps}
    pipe.send(
        {"seconds": seconds, "own": memory.rss, "all": memory.all, "steps": steps}
        | {"kept": len(result.kept)}
    )


def measured(config: dict[str, Any], out: Path) -> dict[str, Any]:
    """What a run in a new process took."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=one_run, args=(theirs, config, out))
    process.start()
    facts: dict[str, Any] = ours.recv()
    process.join()
    return facts


def steps_of(scorers: Sequence[str]) -> tuple[str, ...]:
    """The steps of a run, in order."""
    return ("read", "embed", *scorers, "expression", "topsis", "write")


def row(rows: int, kind: str, facts: dict[str, Any], scorers: Sequence[str]) -> str:
    """One line of the table."""
    steps = facts["steps"]
    remaining = facts["seconds"] - sum(steps.values())
    cells = " | ".join(f"{steps.get(name, 0.0):.1f}" for name in steps_of(scorers))
    return (
        f"| {rows:,} | {kind} | {facts['seconds']:.1f} | {facts['own']:.2f} | {facts['all']:.2f} "
        f"| {cells} | {remaining:.1f} |"
    )


def plot(results: list[dict[str, Any]], path: Path) -> Path:
    """Time and memory against rows, on logarithmic axes."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(cols=2, subplot_titles=("seconds", "GiB"))
    for kind in ("first", "again"):
        runs = [f for f in results if f["run"] == kind]
        rows = [f["rows"] for f in runs]
        for column, key in ((1, "seconds"), (2, "own"), (2, "all")):
            line = go.Scatter(x=rows, y=[f[key] for f in runs], name=f"{kind}: {key}")
            figure.add_trace(line, row=1, col=column)
    figure.update_xaxes(type="log", title="pairs").update_yaxes(type="log")
    figure.write_html(path, include_plotlyjs=True)
    return path


def main() -> None:
    """Print the table and write the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--out", type=Path, default=Path(".benchmarks"))
    parser.add_argument("--engine", default="local")
    parser.add_argument("--scorers", nargs="+", default=SCORERS)
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    names = " | ".join(steps_of(options.scorers))
    print(f"| pairs | run | seconds | own GiB | with mapped | {names} | rest |")
    print("|---" * (7 + len(names.split("|"))) + "|")
    results = []
    for rows in options.rows:
        with tempfile.TemporaryDirectory(dir=options.out) as temporary:
            folder = Path(temporary)
            make(folder / "data.parquet", rows)
            arguments = (folder / "data.parquet", folder / "store", options.engine)
            config = pipeline(*arguments, options.scorers)
            for kind in ("first", "again"):
                facts = measured(config, folder / "run")
                results.append({"rows": rows, "run": kind, **facts})
                print(row(rows, kind, facts, options.scorers), flush=True)
    first = [f for f in results if f["run"] == "first"]
    if len(first) > 1:
        small, large = first[-2], first[-1]
        growth = math.log(large["seconds"] / small["seconds"])
        growth /= math.log(large["rows"] / small["rows"])
        print(f"\ntime grows with rows to the power of {growth:.2f} between the last two")
    (options.out / f"scale-{options.engine}.json").write_text(json.dumps(results, indent=2))
    print("plot:", plot(results, options.out / f"scale-{options.engine}.html"))


if __name__ == "__main__":
    main()
