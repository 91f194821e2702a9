"""What the advice of `curate bench` regains on truly clean prompts, told by noisy labels alone.

    python -m tests.benchmarks.bench_advice DATA [--seeds 5] [--only auto-j,llmbar]

Of each set of `noise_score.py` a quarter of the prompts is put aside with its clean labels. The
labels of the others are flipped at 0, 20 and 40 %; the bench sees these alone and advises. Then
every step is applied to all of them, and a fresh head is tested on the prompts put aside.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from curate.bench.actions import ACTIONS
from curate.bench.advice import Advice, advise
from curate.bench.data import BenchData, as_labelled
from curate.bench.downstream import Weights, accuracies
from curate.bench.own_labels import own_noise, run_own_labels
from curate.bench.patterns import inject
from curate.bench.recipes import apply_recipe
from curate.bench.run import ALL, Plan, cell_seed
from curate.bench.summary import summarise
from curate.models.heads.folds import group_folds
from curate.recipes import Recipe
from curate.steps.context import Context, SilentProgress
from tests.benchmarks.noise_score import real_sets

RATES = (0.0, 0.2, 0.4)
ORACLE = "oracle"
WHATEVER = Recipe("whatever", ACTIONS[-1].config)
"""Dropping 20 % by noise_score even where heads may have learnt nothing: never advised."""


def advice_of(noisy: BenchData) -> Advice:
    """What the bench says of a noisy file."""
    plan, context = Plan(methods=()), Context()
    data = as_labelled(noisy.name, noisy.pairs, noisy.features)
    found = run_own_labels(data, plan, SilentProgress(), context)
    noise = own_noise(data, context)
    return advise(found.tested[0], summarise(found, plan), plan.writable, noise)


def cell(data: BenchData, rate: float, seed: int) -> dict[str, object]:
    """Accuracy on clean prompts after each step, and which one was advised."""
    rng = np.random.default_rng(cell_seed("advice", data.name, rate, seed))
    aside = group_folds(data.groups, 4, 1000 + seed) == 0
    train, clean = data.take(np.flatnonzero(~aside)), data.take(np.flatnonzero(aside))
    noisy, flips = inject(train, "symmetric", rate, rng)
    advice = advice_of(noisy)
    context = Context().for_pairs(seed, noisy.features)
    weights = {ALL: Weights(np.ones(len(flips))), ORACLE: Weights((~flips).astype(float))}
    steps = (*ACTIONS, WHATEVER)
    weights |= {a.name: apply_recipe(noisy, a, context).weights() for a in steps}
    found = accuracies(noisy, clean, weights, seed)
    told = {"set": data.name, "rate": rate, "seed": seed, "proven": advice.proven}
    return told | {"advice": advice.method or ALL} | found


def main() -> None:
    """Print mean gains over keeping all, and the share of the best step's that the advice has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    only = [name for name in arguments.only.split(",") if name]
    rows = []
    for name, data in real_sets(arguments.data):
        if not only or name in only:
            rows += [cell(data, r, s) for r in RATES for s in range(arguments.seeds)]
    table = pl.DataFrame(rows, infer_schema_length=None)
    if arguments.output:
        table.write_parquet(arguments.output)
    names = [ALL, ORACLE, *(a.name for a in (*ACTIONS, WHATEVER))]
    advised = pl.coalesce(pl.when(pl.col("advice") == n).then(pl.col(n)) for n in names)
    gains = table.with_columns(advised.alias("advised")).with_columns(
        (pl.col(n) - pl.col(ALL)).alias(n) for n in [*names[1:], "advised"]
    )
    measured = [pl.col(n).mean() for n in [*names[1:], "advised"]]
    acts = [(pl.col("advice") != ALL).mean().alias("acts"), pl.col("proven").mean()]
    with pl.Config(tbl_rows=100, tbl_cols=20, tbl_hide_dataframe_shape=True, float_precision=3):
        print(gains.group_by("set", "rate", maintain_order=True).agg(*measured, *acts))
        print(gains.group_by("rate", maintain_order=True).agg(*measured, *acts))


if __name__ == "__main__":
    main()
