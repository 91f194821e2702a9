"""Two Ray workers against one on this machine: `python -m tests.benchmarks.ray_workers`.

[--rows 20000] [--vectors 200000] [--moves: reading and writing alone]. Row scorers and MiniLM on
`rows` pairs, table scorers on `vectors` pairs of texts with random vectors of 256 numbers, which
are read from sixteen files and written as shards too. Starting the cluster is not counted; each
step warms up on a few pairs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from curate import read_pairs
from curate.data.hashes import select_in_batches
from curate.data.row_selection import RowSelection
from curate.data.table import batch_slices, messages_text
from curate.models.embed.settings import EmbedderConfig
from curate.pipeline.config import EngineConfig
from curate.pipeline.engines.ray import RayEngine
from curate.pipeline.scorer_step import ScorerStep
from curate.pipeline.scoring import PairScorer
from curate.read.pairs import collect_pairs, stream_pairs
from curate.steps.context import Context, SilentProgress
from curate.steps.features import Features
from curate.steps.registry import scorer_class
from curate.steps.workers import Workers
from curate.store.scratch import ScratchSpace
from curate.write.exports import get_export
from curate.write.exports.base import ShardSchema
from curate.write.shards import write_shards
from curate.write.worker_shards import shards_by_workers
from tests.benchmarks.scale import make

DIM, STYLES = 256, 9
FILES, SHARD = 16, 50_000
SIDES = ("prompt", "chosen", "rejected")
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
    return Features(vectors, style, dict(zip(SIDES, parts, strict=True)))


def in_files(frame: pl.DataFrame, folder: Path) -> None:
    """The pairs as JSON lines in several files."""
    folder.mkdir()
    texts = select_in_batches(frame, *(messages_text(c).alias(c) for c in SIDES))
    for number, rows in enumerate(batch_slices(len(texts), -(-len(texts) // FILES))):
        texts[rows].write_ndjson(folder / f"{number:02d}.jsonl")


def moved(folder: Path, workers: Workers | None) -> dict[str, float]:
    """Seconds of reading all files, and of writing the pairs in TRL's form."""
    with tempfile.TemporaryDirectory() as place:
        started = time.perf_counter()
        pairs = collect_pairs(stream_pairs(str(folder), workers=workers), ScratchSpace(Path(place)))
        read = time.perf_counter() - started
        rows, form = RowSelection.from_table(pairs.frame), get_export("trl")
        started = time.perf_counter()
        if workers is None:
            stream = form.stream(rows.iter_batches(rows.columns), ShardSchema())
            write_shards(stream, Path(place, "kept"), "parquet", SHARD)
        else:
            settings = (Path(place, "kept"), "parquet", SHARD, workers, lambda _: None)
            shards_by_workers(rows, partial(form.convert, schema=ShardSchema()), *settings)
        return {"read": read, "write": time.perf_counter() - started}


def seconds(
    frame: pl.DataFrame, rows: int, workers: int, files: Path, moves: bool
) -> dict[str, float]:
    """Wall seconds of each step on so many workers."""
    from curate.models.embed.pair_embeddings import embed_pairs

    durations: dict[str, float] = {}
    engine = RayEngine(EngineConfig(name="ray", workers=workers))

    def run(name: str, count: int, context: Context) -> float:
        step, run = ScorerStep(name, scorer_class(name)()), context.views.run
        pairs = frame[:count] if run is None else run.frame
        started = time.perf_counter()
        PairScorer(pairs, context, None, engine).score(step)
        return time.perf_counter() - started

    def context(count: int) -> Context:
        return Context(workers=engine.workers).for_pairs(frame[:count], features_of(count))

    try:
        few_files = files.with_name("few")
        if not few_files.exists():
            in_files(frame[:2000], few_files)
        moved(few_files, engine.workers)
        durations |= moved(files, engine.workers)
        if moves:
            return durations
        for name in ROW_SCORERS:
            run(name, 2000, Context())
            durations[name] = run(name, rows, Context())
        embedder = engine.embedder(EmbedderConfig(name="minilm"))
        started = time.perf_counter()
        embed_pairs(frame[:400], embedder, None, SilentProgress())
        durations["minilm, 1,200 texts"] = time.perf_counter() - started
        few, all_pairs = context(2000), context(len(frame))
        for name in TABLE_SCORERS:
            run(name, 2000, few)
            durations[name] = run(name, len(frame), all_pairs)
    finally:
        engine.close()
    return durations


def main() -> None:
    """Print times and ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--vectors", type=int, default=200_000)
    parser.add_argument("--moves", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder, "d.parquet"), max(arguments.rows, arguments.vectors))
        frame = read_pairs(str(Path(folder, "d.parquet"))).frame
        files = Path(folder, "files")
        in_files(frame, files)
        for name, value in moved(files, None).items():
            print(f"{name}: {value:.1f} s without workers")
        one, two = (
            seconds(frame, arguments.rows, workers, files, arguments.moves) for workers in (1, 2)
        )
    for name, value in one.items():
        print(
            f"{name}: one worker {value:.1f} s, two {two[name]:.1f} s, "
            f"{value / two[name]:.2f} times"
        )


if __name__ == "__main__":
    main()
