"""An SFT set through eight steps, beside the same in a script over `datasets.map`.

    python -m tests.benchmarks.single_answers DATA [--rows 50000]

DATA is a Parquet file with `instruction` and `output_2` (AlpacaEval: CC BY-NC, measured, never
copied); copies of its rows get a number in the prompt. Each side runs as a process of its own from
reading to written shards: lengths, refusals, repeated n-grams, then the filters exact_duplicates, a
refusal condition, a length limit, the least repetitive and a sample. "curate, near" also finds near
duplicates, which the script cannot. CPU seconds and the largest memory of the process are printed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl

SIDES = ("curate", "curate, near", "datasets.map")
_MAX_CHARACTERS, _LEAST, _SHARE = 20_000, 0.95, 0.9


def make_rows(data: Path, rows: int, target: Path) -> None:
    """Write JSON lines of `instruction`, `input` and `output`."""
    pairs = pl.read_parquet(data, columns=["instruction", "output_2"])
    answers = pairs.rename({"output_2": "output"}).filter(pl.col("output").str.len_chars() > 0)
    copies = -(-rows // len(answers))
    numbered = [
        answers.with_columns(pl.format("{} ({})", "instruction", pl.lit(n)).alias("instruction"))
        for n in range(copies)
    ]
    # A tenth is there twice, so that the filter has something to drop.
    table = pl.concat(numbered).head(rows * 10 // 11)
    table = pl.concat([table, table.head(rows - len(table))])
    table.select("instruction", input=pl.lit(""), output="output").write_ndjson(target)


def run_curate(source: Path, target: Path, near: bool) -> int:
    """Run the pipeline; return the rows that are kept."""
    from curate import Pipeline

    scorers = ["lengths", "refusal", "repetition", *(["duplicates"] if near else [])]
    config = {
        "input": {"path": str(source)},
        "scorers": [{"type": name} for name in scorers],
        "filters": [
            {"type": "exact_duplicates"},
            {"type": "expression", "drop": "`refusal.chosen`"},
            {"type": "threshold", "column": "lengths.chosen", "max": _MAX_CHARACTERS},
            {"type": "quantile", "column": "repetition.chosen", "keep": _LEAST, "prefer": "min"},
            {"type": "sample", "share": _SHARE},
        ],
        "output": {"format": "sft", "report": False},
        "store": None,
    }
    return Pipeline(config).run(output=target).rows_kept


def run_datasets(source: Path, target: Path) -> int:
    """Do the same by `datasets.map` and `filter`, as scripts do; near duplicates are left out."""
    import hashlib
    import re

    import datasets

    from curate.scorers.refusal import PATTERNS

    refuses = re.compile("|".join(PATTERNS), re.IGNORECASE)
    hashes: set[bytes] = set()

    def measure(row: dict[str, str]) -> dict[str, object]:
        text = row["output"]
        words = text.split()
        grams = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
        key = hashlib.blake2b(f"{row['instruction']}\0{text}".encode(), digest_size=16).digest()
        first, _ = key not in hashes, hashes.add(key)
        return {
            "length": len(text),
            "words": len(words),
            "first": first,
            "refuses": bool(refuses.search(text)),
            "repetition": 1.0 - len(set(grams)) / len(grams) if grams else 0.0,
        }

    def keep(row: dict[str, object]) -> bool:
        return (
            bool(row["first"]) and not row["refuses"] and int(str(row["length"])) < _MAX_CHARACTERS
        )

    def converse(row: dict[str, str]) -> dict[str, object]:
        turns = (("user", row["instruction"]), ("assistant", row["output"]))
        return {"messages": [{"role": role, "content": text} for role, text in turns]}

    cache = str(target / "cache")
    rows = datasets.load_dataset("json", data_files=str(source), split="train", cache_dir=cache)
    chosen = rows.map(measure).filter(keep).sort("repetition")
    chosen = chosen.select(range(round(_LEAST * len(chosen))))
    chosen = chosen.shuffle(seed=0).select(range(round(_SHARE * len(chosen)))).map(converse)
    chosen.select_columns("messages").to_parquet(str(target / "kept.parquet"))
    return len(chosen)


def main() -> None:
    """Make the rows, and run each side in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--side", choices=SIDES, help="Used by the script itself.")
    parser.add_argument("--target", type=Path, help="Used by the script itself.")
    arguments = parser.parse_args()
    if arguments.side:
        if arguments.side == SIDES[-1]:
            kept_rows = run_datasets(arguments.data, arguments.target)
        else:
            kept_rows = run_curate(arguments.data, arguments.target, arguments.side == SIDES[1])
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu = usage.ru_utime + usage.ru_stime
        print(json.dumps({"kept": kept_rows, "cpu": cpu, "gib": usage.ru_maxrss / 2**20}))
        return
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "sft.jsonl")
        make_rows(arguments.data, arguments.rows, source)
        print(f"{arguments.rows:,} rows, {source.stat().st_size / 1e6:.0f} MB of JSON lines")
        for side in SIDES:
            target = Path(folder, side)
            if side == SIDES[-1]:
                target.mkdir()
            command = [sys.executable, "-m", "tests.benchmarks.single_answers", str(source)]
            options = ["--side", side, "--target", str(target)]
            output = subprocess.run(
                [*command, *options], check=True, capture_output=True, text=True
            )
            result = json.loads(output.stdout.splitlines()[-1])
            print(
                f"{side:14} {result['kept']:,} kept, {result['cpu']:.1f} CPU s, "
                f"{result['gib']:.2f} GiB"
            )


if __name__ == "__main__":
    main()
