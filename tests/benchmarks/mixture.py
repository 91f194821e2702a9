"""The same mixture by hand in `datasets` and by a pipeline: lines of code and seconds.

    python -m tests.benchmarks.mixture [--pairs 100000]

Two sources in two shapes, in proportion 3 to 1, to TRL's columns. What the lines by hand leave out:
whole prompts, ids, ties, malformed rows, counts by source, what the sources share.
"""

from __future__ import annotations

import argparse
import inspect
import tempfile
import time
from pathlib import Path

import orjson

from curate import Pipeline


def write(folder: Path, pairs: int) -> None:
    """Two files: prompt, chosen, rejected; and two answers with a label."""
    first = (
        {
            "prompt": f"question {i}",
            "chosen": f"good answer {i} " * 20,
            "rejected": f"bad {i} " * 20,
        }
        for i in range(pairs)
    )
    second = (
        {"q": f"ask {i}", "a": f"one {i} " * 20, "b": f"two {i} " * 20, "winner": "ab"[i % 2]}
        for i in range(pairs // 2)
    )
    for name, rows in (("one", first), ("two", second)):
        with (folder / f"{name}.jsonl").open("wb") as file:
            file.writelines(orjson.dumps(row) + b"\n" for row in rows)


def by_hand(folder: Path) -> int:
    """With `datasets` alone."""
    from datasets import concatenate_datasets, load_dataset

    def message(role, text):  # type: ignore[no-untyped-def]
        return [{"role": role, "content": text}]

    def first(row):  # type: ignore[no-untyped-def]
        return {
            "prompt": message("user", row["prompt"]),
            "chosen": message("assistant", row["chosen"]),
            "rejected": message("assistant", row["rejected"]),
        }

    def second(row):  # type: ignore[no-untyped-def]
        better, worse = (row["a"], row["b"]) if row["winner"] == "a" else (row["b"], row["a"])
        return {
            "prompt": message("user", row["q"]),
            "chosen": message("assistant", better),
            "rejected": message("assistant", worse),
        }

    cache = str(folder / "cache")
    one = load_dataset("json", data_files=str(folder / "one.jsonl"), split="train", cache_dir=cache)
    two = load_dataset("json", data_files=str(folder / "two.jsonl"), split="train", cache_dir=cache)
    one = one.map(first, remove_columns=one.column_names)
    two = two.map(second, remove_columns=two.column_names)
    scale = min(len(one) / 3, len(two) / 1)
    one = one.shuffle(seed=0).select(range(int(scale * 3)))
    two = two.shuffle(seed=0).select(range(int(scale * 1)))
    both = concatenate_datasets([one, two])
    both.to_parquet(str(folder / "by-hand.parquet"))
    return len(both)


def by_pipeline(folder: Path) -> int:
    """With curate."""
    config = {
        "input": [
            {"path": str(folder / "one.jsonl"), "weight": 3},
            {
                "path": str(folder / "two.jsonl"),
                "weight": 1,
                "columns": {
                    "prompt": "q", "first": "a", "second": "b", "label": "winner",
                    "first_wins": ["a"], "second_wins": ["b"],
                },
            },
        ],
        "output": {"path": str(folder / "mixed"), "report": False},
    }  # fmt: skip
    return len(Pipeline(config).run(output=folder / "mixed").kept)


def main() -> None:
    """Print lines and seconds of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write(folder, arguments.pairs)
        for run in (by_hand, by_pipeline):
            lines = len(inspect.getsource(run).splitlines()) - 2
            started = time.perf_counter()
            count = run(folder)
            seconds = time.perf_counter() - started
            print(f"{run.__name__:12} {lines} lines, {count:,} pairs, {seconds:.1f} s")


if __name__ == "__main__":
    main()
