"""Each fast part against the naive way and against what the machine can do, in the same run.

python -m tests.benchmarks.ratios [--rows 1000000] [--texts 600] [--prompts 20000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import polars as pl
from datasketch import MinHash, MinHashLSH

from curate import read_pairs
from curate.data.table import messages_text
from curate.filters.expression import Expression
from curate.filters.topsis import TOPSIS
from curate.models.embed.embedder import Embedder
from curate.models.embed.neighbours import nearest_neighbours
from curate.models.embed.static import StaticEmbedder
from curate.models.text.near_duplicates import near_duplicate_of
from curate.models.text.shingles import text_shingles
from curate.steps.context import Context, SilentProgress
from tests.benchmarks.scale import make

_FILTER_ROWS = 100_000


def seconds(work: Callable[[], object], times: int = 3) -> float:
    """Shortest of some runs."""
    durations = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        durations.append(time.perf_counter() - started)
    return min(durations)


def row(what: str, ours: str, other: str, ratio: float) -> None:
    """One line of the table."""
    print(f"| {what} | {ours} | {other} | {ratio:.1f} |", flush=True)


def filters(rows: int) -> None:
    """Expression and TOPSIS over score columns, against a Python function a row."""
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({f"s.{i}": rng.normal(size=rows) for i in range(5)})
    context = Context()
    keep = Expression(keep="`s.0` > -1 AND `s.1` < 1.5")
    ours = seconds(lambda: keep.apply(frame, context))
    part = datasets.Dataset.from_polars(frame[:_FILTER_ROWS])
    datasets.disable_progress_bars()

    def naive() -> object:
        # A fingerprint of its own, or the second time would be read from a cache.
        return part.filter(
            lambda r: r["s.0"] > -1 and r["s.1"] < 1.5, new_fingerprint=uuid.uuid4().hex
        )

    theirs = seconds(naive, 2) / len(part) * rows
    row(f"expression over {rows:,} rows", f"{ours:.3f} s", f"{theirs:.1f} s datasets.filter",
        theirs / ours)  # fmt: skip
    plain = seconds(lambda: frame.filter((pl.col("s.0") > -1) & (pl.col("s.1") < 1.5)))
    row("the same, machine's limit", f"{ours:.3f} s", f"{plain:.3f} s polars filter", plain / ours)
    criteria = {f"s.{i}": "max" if i % 2 else "min" for i in range(5)}
    rank = TOPSIS(criteria=criteria, keep=0.7)
    ours = seconds(lambda: rank.apply(frame, context))
    order = seconds(frame["s.0"].sort)
    row(f"TOPSIS of 5 scores over {rows:,} rows", f"{ours:.3f} s", f"{order:.3f} s one sort",
        order / ours)  # fmt: skip


def neighbours(prompts: int) -> None:
    """Exact search against the matrix product that it rests on; IVF against exact search."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(prompts, 256)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ours = seconds(lambda: nearest_neighbours(vectors, 10), 2)

    def products() -> None:
        for start in range(0, prompts, 4096):
            _ = vectors[start : start + 4096] @ vectors.T

    limit = seconds(products, 2)
    row(f"exact 10 neighbours of {prompts:,} prompts", f"{ours:.2f} s",
        f"{limit:.2f} s matrix product", limit / ours)  # fmt: skip


def embedders(texts: int, folder: Path) -> None:
    """Batches by length against batches in order; OpenVINO; static vectors."""
    make(folder / "e.parquet", texts)
    frame = read_pairs(str(folder / "e.parquet")).frame
    some = frame.select(t=messages_text("chosen"))["t"].to_list()
    # Lengths of real answers differ more than those of ten sentences.
    some = [text * (1 + 3 * (i % 4 == 0)) for i, text in enumerate(some)]
    model = Embedder(device="cpu")
    ours = seconds(lambda: model.encode(some), 1)
    plain = model._model

    def in_order() -> None:
        for i in range(0, len(some), 32):
            plain.encode(some[i : i + 32], batch_size=32, show_progress_bar=False)

    naive = seconds(in_order, 1)
    row(f"MiniLM, {texts} texts", f"{texts / ours:.0f} texts/s",
        f"{texts / naive:.0f} texts/s in batches of 32", naive / ours)  # fmt: skip
    exact = model.encode(some)
    for backend in ("openvino", "openvino-int8"):
        fast = Embedder(backend=backend)
        vectors = fast.encode(some)
        duration = seconds(lambda fast=fast: fast.encode(some), 1)
        cosine = (vectors * exact).sum(1)
        line = f"{backend} (cosine at least {cosine.min():.4f}, mean {cosine.mean():.4f})"
        row(line, f"{texts / duration:.0f} texts/s", f"{texts / ours:.0f} texts/s torch",
            ours / duration)  # fmt: skip
    static = StaticEmbedder()
    quick = seconds(lambda: static.encode(some), 2)
    row("static", f"{texts / quick:.0f} texts/s", f"{texts / ours:.0f} texts/s torch",
        ours / quick)  # fmt: skip


def duplicates(pairs: int, folder: Path) -> None:
    """Near duplicates of prompts, against a MinHash a text with datasketch."""
    make(folder / "d.parquet", pairs)
    frame = read_pairs(str(folder / "d.parquet")).frame
    ours = seconds(lambda: near_duplicate_of(frame, ("prompt",), 0.8, SilentProgress()), 1)
    part = frame[: min(pairs, 3000)].select(t=messages_text("prompt"))["t"].to_list()

    def naive() -> None:
        index = MinHashLSH(threshold=0.8, num_perm=64, weights=(0.2, 0.8))
        for i, text in enumerate(part):
            sketch = MinHash(num_perm=64)
            sketch.update_batch([str(s).encode() for s in text_shingles(text)])
            index.query(sketch)
            index.insert(str(i), sketch)

    theirs = seconds(naive, 1) / len(part) * pairs
    row(f"near duplicates of {pairs:,} prompts", f"{ours:.1f} s", f"{theirs:.1f} s datasketch",
        theirs / ours)  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--texts", type=int, default=600)
    parser.add_argument("--prompts", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=50_000)
    options = parser.parse_args()
    print("| what | curate | against | times as fast |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        filters(options.rows)
        neighbours(options.prompts)
        embedders(options.texts, Path(temporary))
        duplicates(options.pairs, Path(temporary))


if __name__ == "__main__":
    main()
