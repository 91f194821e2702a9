"""What is reported where labels were made by a rule that heads can see, and what is true.

    python -m tests.benchmarks.raters DATA [--models 12]

DATA as in `coverage.py`, with alpaca-eval/pairs.parquet. Raters whose labels are all right (clean);
who flip a label with some probability, or always, where the rejected answer is longer or shorter;
who choose the answer of the model that is better on average, always or in half of the pairs where
it is not; and a dataset of which one source was labelled by length. GPT-4's preference counts as
right. The limits of `curate.models.heads.noise.label_rules` were chosen here.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.benchmark.data import BenchData
from curate.models.heads.noise.pair_agreement import pair_agreement
from curate.models.heads.noise.rate import disagreement_bound, estimate_noise_rate
from curate.models.text.style import LENGTH
from tests.benchmarks.coverage import FlippableMargins
from tests.benchmarks.model_pairs import (
    against_baseline,
    bench_data,
    gaps_between_models,
    oriented,
)
from tests.benchmarks.noise_score import SETS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MIN_PAIRS = 150


def report(name: str, rater: str, data: BenchData, flips: NDArray[np.bool_]) -> dict[str, Any]:
    """What is reported of one rater's labels, and the share that is wrong."""
    margins = FlippableMargins(data).margins(flips)
    estimate = estimate_noise_rate(margins, data.flipped(flips).pairs, data.groups)
    bound, wrong = disagreement_bound(margins), float(flips.mean())
    return {
        "set": name,
        "rater": rater,
        "pairs": len(margins),
        "wrong": wrong,
        "heads": pair_agreement(margins, data.groups).share,
        "bound": bound,
        "bound_holds": bound >= wrong,
        "reported": estimate.short,
    }


def length_raters(name: str, data: BenchData) -> Iterator[dict[str, Any]]:
    """Raters with a taste for longer or shorter answers."""
    length, index = data.features.style[:, LENGTH], data.features.index
    longer = np.sign(length[index["chosen"]] - length[index["rejected"]])
    draws = np.random.default_rng(0).random(len(longer))
    yield report(name, "clean", data, np.zeros(len(longer), dtype=bool))
    for rater, side, share in (
        ("longer .25", 1, 0.25),
        ("longer .5", 1, 0.5),
        ("longer .75", 1, 0.75),
        ("longer", 1, 1.0),
        ("shorter .5", -1, 0.5),
        ("shorter", -1, 1.0),
    ):
        yield report(name, rater, data, (longer * side < 0) & (draws < share))
    half = draws < 0.5
    source = pl.Series(np.where(half, "a", "b"))
    mixed = BenchData(data.name, data.pairs.with_columns(source=source), data.features)
    yield report(name, "longer in one source", mixed, half & (longer < 0))


def author_raters(path: Path, models: int) -> Iterator[dict[str, Any]]:
    """Raters who go by the model, against the baseline and between two models."""
    names = pl.read_parquet(path)["generator_2"].unique().sort().to_list()
    gaps = gaps_between_models(path)
    rng = np.random.default_rng(0)
    for name in rng.permutation(names)[:models]:
        data = against_baseline(path, str(name))
        second = data.pairs["extra"].str.json_path_match("$.second_wins").to_numpy() == "true"
        yield from _by_author(f"baseline, {name}", data, second)
    sizes = gaps.group_by("model_1", "model_2").len().filter(pl.col("len") >= _MIN_PAIRS)
    for first, second, _ in sizes.sort("model_1", "model_2").sample(models, seed=0).iter_rows():
        rows = gaps.filter(pl.col("model_1") == first, pl.col("model_2") == second)
        data = bench_data(oriented(rows, ~pl.col("first_wins")), f"{first}, {second}")
        won = data.pairs["extra"].str.json_path_match("$.second_wins").to_numpy() == "true"
        yield from _by_author(data.name, data, won)


def _by_author(
    name: str, data: BenchData, second_wins: NDArray[np.bool_]
) -> Iterator[dict[str, Any]]:
    contrary = second_wins != (second_wins.mean() > 0.5)
    draws = np.random.default_rng(0).random(len(contrary))
    yield report(name, "clean", data, np.zeros(len(contrary), dtype=bool))
    yield report(name, "better model .5", data, contrary & (draws < 0.5))
    yield report(name, "better model", data, contrary)


def main() -> None:
    """Print each rater, then how often a bound was reported and held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--models", type=int, default=12)
    arguments = parser.parse_args()
    rows = []
    for name, files in SETS.items():
        rows += list(length_raters(name, bench_data(arguments.data / files, name)))
    rows += list(author_raters(arguments.data / "alpaca-eval" / "pairs.parquet", arguments.models))
    table = pl.DataFrame(rows)
    reported = pl.col("reported").str.starts_with("at most")
    with pl.Config(tbl_rows=200, tbl_cols=20, fmt_str_lengths=70, tbl_width_chars=200):
        print(table)
        kind = pl.when(pl.col("set").str.contains(", ")).then(pl.lit("models")).otherwise("set")
        print(
            table.group_by(kind.alias("set"), "rater", maintain_order=True).agg(
                pl.len().alias("cells"),
                pl.col("wrong", "heads").mean(),
                pl.col("bound_holds").mean().alias("bound would hold"),
                reported.mean().alias("bound reported"),
                pl.col("bound_holds").filter(reported).mean().alias("and holds"),
            )
        )


if __name__ == "__main__":
    main()
