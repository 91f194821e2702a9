"""Whole messages: the matrix of dialects and exports, memory over images, plain pairs a second.

    python -m tests.benchmarks.messages [--pairs 1000000]

The matrix writes every dialect of the tests in every form and kind of file and reads it back.
Memory is that of a run over 10,000 pairs with an image of 50 kB each, mapped pages not counted.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from curate.pipeline.run import Pipeline
from curate.read.pairs import stream_pairs
from curate.write.export import ExportTarget, export_pairs
from tests.curate.write.exports.round_trips import FILE_TYPES, forms, outcome
from tests.curate.write.exports.test_round_trips import DIALECTS
from tests.helpers import write_jsonl

_IMAGES, _IMAGE_BYTES, _PART = 10_000, 50_000, 500


def matrix(folder: Path) -> None:
    """What became of each dialect in each form."""
    counts: dict[str, Counter[str]] = {form: Counter() for form in forms()}
    for number, (dialect, rows) in enumerate(DIALECTS.items()):
        source = write_jsonl(folder / f"{number}.jsonl", rows)
        for form in forms():
            for kind in FILE_TYPES:
                cells, why = outcome(source, form, kind, folder / f"{number}-{form}-{kind}")
                counts[form][cells] += 1
                if cells == "lost":
                    print(f"LOST: {dialect} as {form}: {why}")
    kinds = ("same", "rendered alike", "refused", "lost")
    print(f"{'form':14}" + "".join(f"{kind:>16}" for kind in kinds))
    for form, cells in counts.items():
        print(f"{form:14}" + "".join(f"{cells[kind]:16}" for kind in kinds))
    total = sum(counts.values(), Counter())
    print(f"{'all':14}" + "".join(f"{total[kind]:16}" for kind in kinds))


def images(folder: Path) -> None:
    """Own memory of a run over pairs with images."""
    rng = np.random.default_rng(0)
    writer = None
    for start in range(0, _IMAGES, _PART):
        rows = [
            {
                "prompt": [{"role": "user", "content": f"What is {i}?"}],
                "chosen": [{"role": "assistant", "content": f"cat {i}"}],
                "rejected": [{"role": "assistant", "content": f"dog {i}"}],
                "images": [{"bytes": rng.bytes(_IMAGE_BYTES), "path": None}],
            }
            for i in range(start, start + _PART)
        ]
        table = pa.Table.from_pylist(rows)
        writer = writer or pq.ParquetWriter(folder / "images.parquet", table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    del rows, table
    config = {
        "input": {"path": str(folder / "images.parquet")},
        "store": None,
        "scorers": [{"type": "lengths"}],
        "filters": [{"type": "exact_duplicates"}],
    }
    with _Peak() as peak:
        started = time.perf_counter()
        Pipeline(config).run(output=folder / "images")
    print(
        f"{_IMAGES:,} pairs with {_IMAGES * _IMAGE_BYTES / 1e6:,.0f} MB of images: own memory "
        f"{peak.start / 1e6:,.0f} MB before, {peak.most / 1e6:,.0f} MB at most, "
        f"{time.perf_counter() - started:.0f} s"
    )


class _Peak:
    """The largest memory of this process that is not mapped from files."""

    def __enter__(self) -> _Peak:
        self.start = self.most = self._rss()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self.most = max(self.most, self._rss())

    @staticmethod
    def _rss() -> int:
        info = psutil.Process().memory_info()
        return int(info.rss - info.shared)


def plain(folder: Path, pairs: int) -> None:
    """Seconds to read and to export plain conversations of JSON lines."""
    words = [f"word{i}" for i in range(3000)]
    rng = np.random.default_rng(0)
    path = folder / "plain.jsonl"
    with path.open("w") as file:
        for _ in range(pairs):
            texts = [" ".join(rng.choice(words, n)) for n in (12, 20, 18)]
            roles = (("prompt", "user"), ("chosen", "assistant"), ("rejected", "assistant"))
            row = {
                name: [{"role": role, "content": text}]
                for (name, role), text in zip(roles, texts, strict=True)
            }
            file.write(json.dumps(row) + "\n")
    started = time.perf_counter()
    count = sum(len(part) for part in stream_pairs(str(path)))
    read = time.perf_counter() - started
    started = time.perf_counter()
    export_pairs(str(path), folder / "plain", ExportTarget("trl"))
    print(
        f"{count:,} plain pairs: read in {read:.1f} s, exported in "
        f"{time.perf_counter() - started:.1f} s"
    )


def main() -> None:
    """Print all three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        matrix(Path(name))
        images(Path(name))
        plain(Path(name), arguments.pairs)


if __name__ == "__main__":
    main()
