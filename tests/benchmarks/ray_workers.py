"""Two Ray workers against one on this machine: `python -m tests.benchmarks.ray_workers`.

[--rows 20000] [--vectors 200000]. Row scorers and MiniLM on `rows` pairs, table scorers on
`vectors` pairs of texts with random vectors of 256 numbers. Starting the cluster is not counted;
each step warms up on a few pairs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from curate import read_pairs
from curate.models.embed.settings import EmbedderConfig
from curate.pipeline.config import EngineConfig
from curate.pipeline.engines.ray import RayEngine
from curate.pipeline.plan import ScorerStep
from curate.pipeline.scoring import run_scorer
from curate.steps.context import Context, SilentProgress
from curate.steps.features import Features
from curate.steps.registry import scorer_class
from tests.benchmarks.scale import make

DIM, STYLES = 256, 9
ROW_SCORERS = ("repetition", "pii")
TABLE_SCORERS = (
    *("reward_margin", "mc_dropout", "donod", "noise_score"),
    *("knn_diversity", "duplicates"),
)


def features_of(rows: int) -> Features:
    """Vectors around a thousand centres, of texts that all differ."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((1000, DIM), dtype=np.float32)
    vectors = rng.standard_normal((3 * rows, DIM), dtype=np.float32)
    vectors += centres[rng.integers(len(centres), size=len(vectors))]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    style = rng.standard_normal((3 * rows, STYLES), dtype=np.float32)
    parts = np.arange(3 * rows).reshape(3, rows)
    return Features(vectors, style, dict(zip(("prompt", "chosen", "rejected"), parts, strict=True)))


def seconds(frame: pl.DataFrame, rows: int, workers: int) -> dict[str, float]:
    """Wall seconds of each step on so many workers."""
    from curate.models.embed.pair_embeddings import embed_pairs

    found: dict[str, float] = {}
    engine = RayEngine(EngineConfig(name="ray", workers=workers))

    def run(name: str, count: int, context: Context) -> float:
        step = ScorerStep(name, scorer_class(name)())
        started = time.perf_counter()
        run_scorer(step, frame[:count], context, None, engine)
        return time.perf_counter() - started

    def context(count: int) -> Context:
        features = features_of(count)
        return Context(features_of=lambda: features, workers=engine.workers)

    try:
        for name in ROW_SCORERS:
            run(name, 2000, Context())
            found[name] = run(name, rows, Context())
        embedder = engine.embedder(EmbedderConfig(name="minilm"))
        started = time.perf_counter()
        embed_pairs(frame[:400], embedder, None, SilentProgress())
        found["minilm, 1,200 texts"] = time.perf_counter() - started
        few, all_pairs = context(2000), context(len(frame))
        for name in TABLE_SCORERS:
            run(name, 2000, few)
            found[name] = run(name, len(frame), all_pairs)
    finally:
        engine.close()
    return found


def main() -> None:
    """Print times and ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--vectors", type=int, default=200_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder, "d.parquet"), max(given.rows, given.vectors))
        pairs = read_pairs(str(Path(folder, "d.parquet")))
    one, two = (seconds(pairs.frame, given.rows, workers) for workers in (1, 2))
    for name, value in one.items():
        print(
            f"{name}: one worker {value:.1f} s, two {two[name]:.1f} s, "
            f"{value / two[name]:.2f} times"
        )


if __name__ == "__main__":
    main()
