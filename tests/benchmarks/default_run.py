"""What `curate run` gains at real size with the pipeline that `curate init` writes.

    python -m tests.benchmarks.default_run DATA [--rates 0,.2,.4] [--seeds 3] [--between]
        [--pipelines init] [--output default_run.jsonl]

DATA is the Parquet file of AlpacaEval's pairs (`instruction`, `output_1`, `output_2`,
`generator_2`, `preference`; CC BY-NC 4.0, so that no row of it is in this repository). GPT-4's
preferences count as clean labels; those nearer to 1.5 than .05 are left out as ties. With
`--between` pairs are of two models instead, of which GPT-4 prefers one more over the baseline, by
.2 at least. A quarter of the prompts is put aside with its labels, those of the others are flipped
at random. Each pipeline runs through the command line on the static embedder; a fresh head on
embeddings learns the rows that the trainer would get, and is tested on the prompts put aside.

Printed: accuracy of all rows as they are, of those without the flipped labels, and of each
pipeline; how often clean labels prefer the longer answer, beside the interval that the run expects;
and of right labels with a shorter chosen answer the share that is lost, beside the expected share.
Finished cells are read from the output and not measured again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import yaml

from curate.benchmark.data import BenchData
from curate.benchmark.downstream import Weights, accuracy_by_weighting
from curate.models.embed.frame import embed_frame
from curate.models.embed.settings import EmbedderConfig
from curate.read.pairs import read_pairs
from curate.steps.context import SilentProgress
from curate.store.store import open_store

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIE, GAP, MOST_PAIRS = 0.05, 0.2, 10_000
TEXTS = ("prompt", "chosen", "rejected")
WITHIN = [{"type": "label_em", "within": ["length"]}]
PIPELINES: dict[str, dict[str, Any]] = {
    "init": {},
    "drop_wrong": {"scorers": [{"type": "label_em"}], "filters": [{"type": "drop_wrong"}]},
    "drop_wrong, within length": {"scorers": WITHIN, "filters": [{"type": "drop_wrong"}]},
}


def clean_rows(path: Path, between: bool, rng: np.random.Generator) -> pl.DataFrame:
    """Rows of prompt, chosen and rejected with the labels that count as clean."""
    raw = pl.read_parquet(path)
    if between:
        answers = raw.select("instruction", "output_2", "preference")
        pairs = answers.join(answers, on="instruction", suffix="_b").filter(
            pl.col("preference") - pl.col("preference_b") > GAP
        )
        pairs = pairs[np.sort(rng.permutation(len(pairs))[:MOST_PAIRS])]
        return pairs.select(prompt="instruction", chosen="output_2", rejected="output_2_b")
    second = pl.col("preference") > 1.5
    return raw.filter((pl.col("preference") - 1.5).abs() > TIE).select(
        prompt="instruction",
        chosen=pl.when(second).then("output_2").otherwise("output_1"),
        rejected=pl.when(second).then("output_1").otherwise("output_2"),
    )


def swap(rows: pl.DataFrame, flips: NDArray[np.bool_]) -> pl.DataFrame:
    """The rows with some labels flipped."""
    mask = pl.Series(flips)
    return rows.with_columns(
        chosen=pl.when(mask).then("rejected").otherwise("chosen"),
        rejected=pl.when(mask).then("chosen").otherwise("rejected"),
    )


def bench_data(rows: pl.DataFrame) -> BenchData:
    """The rows with static embeddings."""
    pairs = read_pairs(rows.select(TEXTS)).frame
    settings = EmbedderConfig(name="static")
    features, _ = embed_frame(pairs, settings, open_store("auto"), SilentProgress())
    return BenchData("alpaca-eval", pairs, features)


def run_pipeline(folder: Path, changes: dict[str, Any]) -> tuple[pl.DataFrame, dict[str, Any]]:
    """The rows that a trainer gets, and the facts of the last filter."""
    command, pipeline = [sys.executable, "-m", "curate"], folder / "pipeline.yaml"
    init = ["init", str(pipeline), "--data", str(folder / "train.jsonl"), "--overwrite"]
    subprocess.run([*command, *init], check=True, capture_output=True)
    config = yaml.safe_load(pipeline.read_text()) | {"embedder": "static"} | changes
    pipeline.write_text(yaml.safe_dump(config))
    out = folder / "out"
    run = ["run", str(pipeline), "--output", str(out), "--overwrite"]
    subprocess.run([*command, *run], check=True, capture_output=True)
    manifest = json.loads((out / "manifest.json").read_text())
    rows = pl.read_parquet(out / "kept" / "*.parquet").select(TEXTS)
    text = pl.element().struct.field("content")
    return rows.select(pl.all().list.eval(text).list.join("\n")), manifest["steps"][-2]["facts"]


def longer(rows: pl.DataFrame) -> NDArray[np.int64]:
    """1 where the chosen answer is longer, -1 where it is shorter."""
    sizes = [rows[side].str.len_chars().cast(pl.Int64) for side in ("chosen", "rejected")]
    return (sizes[0] - sizes[1]).sign().to_numpy()


def lost_shorter(before: pl.DataFrame, flips: NDArray[np.bool_], after: pl.DataFrame) -> float:
    """Share of right labels with a shorter chosen answer that no row of a trainer holds."""
    right = before.filter(pl.Series(~flips & (longer(before) < 0)))
    remaining = right.join(after.select(TEXTS).unique(), on=TEXTS, how="semi")
    return 1.0 - len(remaining) / max(len(right), 1)


def measure(
    path: Path, rate: float, seed: int, between: bool, pipelines: list[str]
) -> dict[str, Any]:
    """One cell."""
    rng = np.random.default_rng(seed)
    rows = clean_rows(path, between, rng)
    prompts = rows["prompt"].unique().sort()
    aside = prompts.gather(rng.permutation(len(prompts))[: len(prompts) // 4])
    is_test = rows["prompt"].is_in(aside.implode())
    test, train = bench_data(rows.filter(is_test)), rows.filter(~is_test)
    flips = rng.random(len(train)) < rate
    noisy = swap(train, flips)
    variants = {"keep all": np.ones(len(noisy)), "oracle": (~flips).astype(np.float64)}
    weights = {name: Weights(weight) for name, weight in variants.items()}
    cell: dict[str, Any] = {"rate": rate, "seed": seed, "between": between, "pairs": len(train)}
    cell |= accuracy_by_weighting(bench_data(noisy), test, weights, style=False)
    differs = longer(train) != 0
    cell["longer"] = float((longer(train)[differs] > 0).mean())
    for name in pipelines:
        with tempfile.TemporaryDirectory() as scratch:
            noisy.write_ndjson(Path(scratch) / "train.jsonl")
            kept_pairs, facts = run_pipeline(Path(scratch), PIPELINES[name])
        once = {name: Weights(np.ones(len(kept_pairs)))}
        cell |= accuracy_by_weighting(bench_data(kept_pairs), test, once, style=False)
        bias = facts["bias"]
        cell[f"{name}: rows"] = len(kept_pairs)
        cell[f"{name}: longer"] = [*bias["longer"], bias["expected"]["longer"]]
        lost = lost_shorter(noisy, flips, kept_pairs)
        cell[f"{name}: lost shorter"] = [lost, bias["right_labels_lost"]["shorter"]]
    return cell


def main() -> None:
    """Measure cells that are not in the output yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rates", default="0,.2,.4")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--between", action="store_true")
    parser.add_argument("--pipelines", nargs="+", choices=PIPELINES, default=list(PIPELINES))
    parser.add_argument("--output", type=Path, default=Path("default_run.jsonl"))
    options = parser.parse_args()
    lines = options.output.read_text().splitlines() if options.output.exists() else []
    done = [tuple(json.loads(line)[key] for key in ("rate", "seed", "between")) for line in lines]
    rates = [float(rate) for rate in options.rates.split(",")]
    for rate, seed in product(rates, range(options.seeds)):
        if (rate, seed, options.between) not in done:
            cell = measure(options.data, rate, seed, options.between, options.pipelines)
            with options.output.open("a") as file:
                file.write(json.dumps(cell) + "\n")
            print(json.dumps(cell), flush=True)


if __name__ == "__main__":
    main()
