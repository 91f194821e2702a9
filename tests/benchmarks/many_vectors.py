"""Scorers by heads, and TOPSIS, on millions of synthetic vectors: time and own memory.

python -m tests.benchmarks.many_vectors [--rows 1000000 10000000] [--out FOLDER]
Vectors (256 numbers, float16, in a mapped file) are drawn at random; a linear reward labels the
pairs, a fifth of the labels is flipped. Each size is a process of its own.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from curate.data.table import MESSAGES, PAIR_COLUMNS, plain_message
from curate.filters.topsis import TOPSIS
from curate.pipeline.scorer_step import ScorerStep
from curate.pipeline.scoring import PairScorer
from curate.scorers.label_em import LabelEM
from curate.scorers.mc_dropout import MCDropout
from curate.scorers.noise_score import NoiseScore
from curate.scorers.research.donod import DONOD
from curate.scorers.reward_margin import RewardMargin
from curate.steps.context import Context
from curate.steps.features import Features
from curate.store.scratch import ScratchSpace
from tests.benchmarks.scale import Memory

DIM, BLOCK, FLIPS = 256, 100_000, 0.2
CRITERIA = {
    "reward_margin.margin": "max",
    "mc_dropout.bald": "min",
    "donod.nod": "min",
    "noise_score.score": "min",
    "label_em.posterior": "max",
}


def make_vectors(rows: int, scratch: ScratchSpace) -> tuple[pl.DataFrame, Features]:
    """Pairs whose texts are numbers, and vectors of their answers."""
    rng = np.random.default_rng(0)
    reward = rng.standard_normal(DIM).astype(np.float32)
    vectors = scratch.array("vectors", (2 * rows, DIM), "float16")
    flipped = np.empty(rows, dtype=bool)
    for start in range(0, rows, BLOCK):
        block = slice(start, min(start + BLOCK, rows))
        count = block.stop - block.start
        both = rng.standard_normal((2 * count, DIM), dtype=np.float32)
        both /= np.linalg.norm(both, axis=1, keepdims=True)
        vectors[2 * block.start : 2 * block.stop] = both
        margin = (both[::2] - both[1::2]) @ reward
        flipped[block] = (rng.random(count) > 1 / (1 + np.exp(-2 * margin))) ^ (
            rng.random(count) < FLIPS
        )
    first = 2 * np.arange(rows)
    chosen, rejected = first + flipped, first + ~flipped
    index = {"prompt": first, "chosen": chosen, "rejected": rejected}
    parts = (_frame(start, min(start + BLOCK, rows)) for start in range(0, rows, BLOCK))
    return scratch.collect("pairs", parts), Features(
        vectors, np.zeros((2 * rows, 9), np.float32), index
    )


def _frame(start: int, stop: int) -> pl.DataFrame:
    number = pl.int_range(start, stop, eager=True).cast(pl.String).alias("n").to_frame()
    turns = {
        name: pl.concat_list(plain_message(role, pl.col("n") + ending)).cast(MESSAGES)
        for name, role, ending in (
            ("prompt", "user", "?"),
            ("chosen", "assistant", "+"),
            ("rejected", "assistant", "-"),
        )
    }
    frame = number.select(pair_id=pl.col("n"), is_tie=pl.lit(False), source=pl.lit("s"), **turns)
    remaining_columns = {c: t for c, t in PAIR_COLUMNS.items() if c not in frame.columns}
    return frame.with_columns(
        pl.lit(None, dtype=t).alias(c) for c, t in remaining_columns.items()
    ).select(list(PAIR_COLUMNS))


def one_run(pipe: Any, rows: int, folder: Path) -> None:
    """Score, rank, and tell what it took."""
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=folder) as place:
        scratch = ScratchSpace(Path(place))
        pairs, features = make_vectors(rows, scratch)
        context = Context(scratch=scratch).for_pairs(pairs, features)
        steps = (
            RewardMargin(),
            DONOD(),
            MCDropout(),
            NoiseScore(style=False),
            LabelEM(style=False),
        )
        with Memory() as memory:
            columns = []
            for scorer in steps:
                started = time.perf_counter()
                frame, record = PairScorer(pairs, context).score(ScorerStep(scorer.name, scorer))
                assert not record.warnings, record.warnings
                columns.append(frame.select(c for c in frame.columns if c in CRITERIA))
                seconds[scorer.name] = time.perf_counter() - started
            started = time.perf_counter()
            kept_pairs = TOPSIS(criteria=CRITERIA, keep=0.7).apply(
                pl.concat(columns, how="horizontal"), context
            )
            seconds["topsis"] = time.perf_counter() - started
    pipe.send((seconds, memory.own, int(kept_pairs.keep.sum())))


def main() -> None:
    """Print one line a size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--out", type=Path, default=Path(".benchmarks"))
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    results = []
    for rows in options.rows:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=one_run, args=(theirs, rows, options.out))
        process.start()
        theirs.close()
        seconds, rss, kept_pairs = ours.recv()
        process.join()
        total = sum(seconds.values())
        steps = ", ".join(f"{name} {value:.0f}" for name, value in seconds.items())
        print(
            f"{rows:,} pairs: {total:.0f} s, {rss:.2f} GiB own, {kept_pairs:,} kept ({steps})",
            flush=True,
        )
        results.append((rows, total))
    if len(results) > 1:
        (small, before), (large, after) = results[-2:]
        growth = math.log(after / before) / math.log(large / small)
        print(f"time grows with rows to the power of {growth:.2f} between the last two")


if __name__ == "__main__":
    main()
