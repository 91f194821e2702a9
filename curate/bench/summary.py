"""What the experiments say: means with spread, and gains with what chance alone can do."""

from __future__ import annotations

import polars as pl

from curate.bench.gains import gain_table
from curate.bench.run import BASELINES, BAYES, Experiments, Plan

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


def summarise(found: Experiments, plan: Plan) -> pl.DataFrame:
    """Mean and standard deviation over seeds of every measure, and the gain of each method.

    `estimate_bias` is the estimated less the true share of flips. `gain` is the accuracy on
    held-out pairs less that of keeping all on the same pairs, with its 95 % interval. `verdict`
    says "helps" or "harms" where chance alone is unlikely: p < .05, by Holm over the steps that can
    be written into a pipeline, and over the other methods.
    """
    rows = found.rows.with_columns(estimate_bias=pl.col("noise_estimate") - pl.col("true_rate"))
    means = [pl.col(m).mean().alias(m) for m in _MEASURES]
    spreads = [pl.col(m).std().alias(f"{m}_std") for m in _MEASURES]
    table = rows.group_by(*KEYS, "method", maintain_order=True).agg(
        pl.col("seed").len().alias("seeds"), pl.col("true_rate").mean(), *means, *spreads
    )
    return table.join(gains(found, plan), on=[*KEYS, "method"], how="left", maintain_order="left")


def gains(found: Experiments, plan: Plan) -> pl.DataFrame:
    """The gain of each method over keeping all; baselines without a verdict."""
    parts = []
    writable = [r.name for r in plan.writable]
    for tested in found.tested:
        baselines = [m for m in tested.methods if m in (*BASELINES, BAYES)]
        others = [m for m in tested.methods if m not in (*writable, *baselines)]
        verdict = pl.when(pl.col("method").is_in(baselines)).then(None).otherwise("verdict")
        families = [[m for m in writable if m in tested.methods], others, baselines]
        both = pl.concat(gain_table(tested, family) for family in families)
        key = [pl.lit(tested.key[k], dtype=found.rows.schema[k]).alias(k) for k in KEYS]
        parts.append(both.select(*key, pl.exclude("verdict"), verdict.alias("verdict")))
    return pl.concat(parts)
