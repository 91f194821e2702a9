"""Summary of the experiments: means with spread, and gains with their significance."""

from __future__ import annotations

import polars as pl

from curate.benchmark.paired_gains import gain_table
from curate.benchmark.run import BASELINES, BAYES, BenchPlan, Experiments

KEYS = ("dataset", "pattern", "rate")
_MEASURES = (
    "auroc",
    "average_precision",
    "precision_at_rate",
    "flagged",
    "precision",
    "recall",
    "noise_estimate",
    "estimate_bias",
    "downstream_accuracy",
    "seconds",
)


def summarise_experiments(experiments: Experiments, plan: BenchPlan) -> pl.DataFrame:
    """Return the mean and standard deviation over seeds of every measure, and the gain of each
    method.

    `estimate_bias` is the estimated less the true share of flips. `gain` is the accuracy on
    held-out pairs less that of keeping all on the same pairs, with its 95 % interval. `verdict`
    is "helps" or "harms" if p < .05, Holm-corrected over the steps that can be written into a
    pipeline, and separately over the other methods.
    """
    rows = experiments.rows.with_columns(
        estimate_bias=pl.col("noise_estimate") - pl.col("true_rate")
    )
    means = [pl.col(m).mean().alias(m) for m in _MEASURES]
    spreads = [pl.col(m).std().alias(f"{m}_std") for m in _MEASURES]
    table = rows.group_by(*KEYS, "method", maintain_order=True).agg(
        pl.col("seed").len().alias("seeds"), pl.col("true_rate").mean(), *means, *spreads
    )
    return table.join(
        gain_rows(experiments, plan), on=[*KEYS, "method"], how="left", maintain_order="left"
    )


def gain_rows(experiments: Experiments, plan: BenchPlan) -> pl.DataFrame:
    """Return the gain of each method over keeping all; baselines without a verdict."""
    tables = []
    writable = [r.name for r in plan.writable]
    for tested in experiments.tested:
        baselines = [m for m in tested.methods if m in (*BASELINES, BAYES)]
        other_methods = [m for m in tested.methods if m not in (*writable, *baselines)]
        verdict = pl.when(pl.col("method").is_in(baselines)).then(None).otherwise("verdict")
        families = [[m for m in writable if m in tested.methods], other_methods, baselines]
        gains = pl.concat(gain_table(tested, family) for family in families)
        key = [pl.lit(tested.key[k], dtype=experiments.rows.schema[k]).alias(k) for k in KEYS]
        tables.append(gains.select(*key, pl.exclude("verdict"), verdict.alias("verdict")))
    return pl.concat(tables)
