"""Speed and memory of reading and exporting, against `datasets.map` with a Python function.

python -m tests.benchmarks.export [--rows 1000000] [--naive-rows 100000]
Pairs are recombined from the real texts of tests/data. Each measurement is a process of its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from curate.write.export import ExportTarget, export_pairs
from tests.conftest import DATA

_CHUNK = 50_000


def real_texts() -> list[tuple[str, str, str]]:
    """Question and two answers of each pair of Auto-J and LLMBar."""
    lines = (DATA / "auto-j" / "slice.json").read_text(encoding="utf-8").splitlines()
    auto_j = [json.loads(line) for line in lines]
    bar = json.loads((DATA / "llmbar" / "Natural.json").read_text(encoding="utf-8"))
    texts = [(r["prompt"], r["response 1"], r["response 2"]) for r in auto_j]
    return texts + [(r["input"], r["output_1"], r["output_2"]) for r in bar]


def recombined(rows: int) -> Iterator[pl.DataFrame]:
    """Rows in the schema of Intel/orca_dpo_pairs, each text combination different."""
    texts = real_texts()
    questions, first, second = zip(*texts, strict=True)
    size = len(texts)
    for start in range(0, rows, _CHUNK):
        at = range(start, min(start + _CHUNK, rows))
        yield pl.DataFrame(
            {
                "system": ["You are a helpful assistant." if i % 2 else "" for i in at],
                "question": [f"{questions[i % size]} ({i})" for i in at],
                "chosen": [first[i // size % size] for i in at],
                "rejected": [second[(i + i // size) % size] for i in at],
            }
        )


def make(folder: Path, rows: int) -> None:
    """a.parquet and a.jsonl of the rows."""
    with (folder / "a.jsonl").open("wb") as lines:
        for number, part in enumerate(recombined(rows)):
            part.write_parquet(folder / f"part-{number:03d}.parquet")
            lines.write(part.write_ndjson().encode())
    pl.scan_parquet(folder / "part-*.parquet").sink_parquet(folder / "a.parquet")
    for part_file in folder.glob("part-*"):
        part_file.unlink()


def ours(source: Path, out: Path, form: str, rows: int) -> None:
    """Read, give ids, convert, write."""
    kind = "jsonl" if form == "jsonl" else "parquet"
    result = export_pairs(source, out, ExportTarget("trl", kind))
    assert result.pairs == rows


def naive(source: Path, out: Path, form: str, rows: int) -> None:
    """The same conversion, without ids or checks, by `datasets.map`."""
    import datasets

    datasets.disable_progress_bars()
    kind = {".jsonl": "json"}.get(source.suffix, "parquet")
    split = f"train[:{rows}]"
    data = datasets.load_dataset(
        kind, data_files=str(source), split=split, cache_dir=str(out / "cache")
    )
    output_rows = data.map(_pair, remove_columns=data.column_names)
    if form == "jsonl":
        output_rows.to_json(str(out / "o.jsonl"))
    else:
        output_rows.to_parquet(str(out / "o.parquet"))


def _pair(row: dict[str, Any]) -> dict[str, Any]:
    system = [{"role": "system", "content": row["system"]}] if row["system"] else []
    return {
        "prompt": [*system, {"role": "user", "content": row["question"]}],
        "chosen": [{"role": "assistant", "content": row["chosen"]}],
        "rejected": [{"role": "assistant", "content": row["rejected"]}],
    }


def measured(work: Callable[..., None], *arguments: Any) -> tuple[float, float]:
    """Seconds, and peak memory in GiB, of the work in a new process."""
    context = multiprocessing.get_context("spawn")
    ours_, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, work, *arguments))
    process.start()
    seconds, peak = ours_.recv()
    process.join()
    return seconds, peak


def _run(pipe: Any, work: Callable[..., None], *arguments: Any) -> None:
    started = time.perf_counter()
    work(*arguments)
    seconds = time.perf_counter() - started
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    pipe.send((seconds, int(peak) / 2**20))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--naive-rows", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make(folder, options.rows)
        size = {p.suffix: p.stat().st_size / 2**20 for p in folder.iterdir()}
        print(f"{options.rows:,} rows; MiB on disk: {size}", file=sys.stderr)
        print("| from | to | rows a second | peak GiB | datasets.map | peak GiB | ratio |")
        print("|---|---|---|---|---|---|---|")
        kinds = ("parquet", "jsonl")
        for number, (kind, form) in enumerate(itertools.product(kinds, kinds)):
            source = folder / f"a.{kind}"
            seconds, peak = measured(ours, source, folder / f"out{number}", form, options.rows)
            place = folder / f"naive{number}"
            place.mkdir()
            rows = min(options.naive_rows, options.rows)
            theirs, their_peak = measured(naive, source, place, form, rows)
            rate, their_rate = options.rows / seconds, rows / theirs
            print(
                f"| {kind} | {form} | {rate:,.0f} | {peak:.2f} | {their_rate:,.0f} "
                f"| {their_peak:.2f} | {rate / their_rate:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
