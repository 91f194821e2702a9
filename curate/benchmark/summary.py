"""Summary of the experiments: means with spread, and gains with their significance."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from curate.benchmark.condition import Condition
from curate.benchmark.paired_gains import gain_table
from curate.benchmark.run import BASELINES, BAYES, BenchPlan, Experiments
from curate.data.json_result import JsonResult

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


@dataclass(frozen=True)
class MethodResult(JsonResult):
    """What a method did on one dataset, pattern and rate: means over the seeds; None: not measured.

    Attributes:
        dataset: name of the dataset.
        pattern: flip pattern.
        rate: flip rate.
        method: name of the method.
        seeds: number of seeds.
        auroc: area under the ROC curve of its ranking against the flips.
        auroc_std: standard deviation of that over the seeds.
        average_precision: average precision of the ranking.
        precision_at_rate: precision among as many pairs as were flipped.
        flagged: share of the pairs that a step drops or flips; None for a ranking.
        precision: share of these that were flipped.
        recall: share of the flips among them.
        downstream_accuracy: accuracy on held-out pairs of probes that are trained after it.
        gain: gain of accuracy over keeping all.
        gain_error: standard error of the gain.
        gain_low: lower end of its 95 % interval.
        gain_high: upper end.
        p: two-sided p value, corrected for looking at several methods.
        verdict: "helps", "harms" and so on; None for baselines.
    """

    dataset: str
    pattern: str
    rate: float
    method: str
    seeds: int = 0
    auroc: float | None = None
    auroc_std: float | None = None
    average_precision: float | None = None
    precision_at_rate: float | None = None
    flagged: float | None = None
    precision: float | None = None
    recall: float | None = None
    downstream_accuracy: float | None = None
    gain: float = 0.0
    gain_error: float = 0.0
    gain_low: float = 0.0
    gain_high: float = 0.0
    p: float | None = None
    verdict: str | None = None

    @property
    def condition(self) -> Condition:
        """Return dataset, pattern and rate."""
        return Condition(self.dataset, self.pattern, self.rate)


def method_results(summary: pl.DataFrame) -> tuple[MethodResult, ...]:
    """Return the rows of a summary as objects."""
    return tuple(MethodResult.from_json(row) for row in summary.iter_rows(named=True))


def summarise_experiments(experiments: Experiments, plan: BenchPlan) -> pl.DataFrame:
    """Return the mean and standard deviation over seeds of every measure, and the gain of each
    method.

    `estimate_bias` is the estimated less the true share of flips. `gain` is the accuracy on
    held-out pairs less that of keeping all on the same pairs, with its 95 % interval. `verdict`
    is "helps" or "harms" if p < .05: for the default step by itself, for other steps that can be
    written into a pipeline Holm-corrected, and separately for the other methods.
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
        values = tested.key.to_json()
        key = [pl.lit(values[k], dtype=experiments.rows.schema[k]).alias(k) for k in KEYS]
        tables.append(gains.select(*key, pl.exclude("verdict"), verdict.alias("verdict")))
    return pl.concat(tables)
