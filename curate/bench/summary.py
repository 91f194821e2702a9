"""What the experiment says: means with spread, and whether a method helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from curate.bench.run import ALL, BASELINES, BAYES

_KEYS = ("dataset", "pattern", "rate")
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
    "gain",
    "seconds",
)
_CONFIDENCE = 0.95
HELPS, HARMS, UNSEEN = "helps", "harms", "no difference seen"


def summarise(rows: pl.DataFrame) -> pl.DataFrame:
    """Mean and standard deviation over seeds of every measure, for each method.

    `estimate_bias` is the estimated less the true share of flips. `gain` is the downstream accuracy
    less that of keeping all pairs with the same seed; `verdict` says "helps" or "harms" where the
    95 % t-interval of its mean leaves out 0. It is about one method at a time: among a dozen, one
    may pass by chance.
    """
    keep = rows.filter(pl.col("method") == ALL)
    keep = keep.select(*_KEYS, "seed", _all="downstream_accuracy")
    gains = rows.join(keep, on=[*_KEYS, "seed"], how="left", maintain_order="left")
    gains = gains.with_columns(
        gain=pl.col("downstream_accuracy") - pl.col("_all"),
        estimate_bias=pl.col("noise_estimate") - pl.col("true_rate"),
    )
    means = [pl.col(m).mean().alias(m) for m in _MEASURES]
    spreads = [pl.col(m).std().alias(f"{m}_std") for m in _MEASURES]
    table = gains.group_by(*_KEYS, "method", maintain_order=True).agg(
        pl.col("seed").len().alias("seeds"), pl.col("true_rate").mean(), *means, *spreads
    )
    error = pl.col("gain_std") / pl.col("seeds").sqrt() * _t_quantile(table["seeds"])
    verdict = (
        pl.when(pl.col("method") == ALL)
        .then(None)
        .when(pl.col("gain") > error)
        .then(pl.lit(HELPS))
        .when(pl.col("gain") < -error)
        .then(pl.lit(HARMS))
        .otherwise(pl.lit(UNSEEN))
    )
    return table.with_columns(verdict=pl.when(pl.col("seeds") > 1).then(verdict))


def _t_quantile(seeds: pl.Series) -> pl.Series:
    """Half width of the interval in standard errors; not a number for a single seed."""
    freedom = np.maximum(seeds.to_numpy() - 1, 1)
    return pl.Series(stats.t.ppf((1.0 + _CONFIDENCE) / 2.0, freedom))


@dataclass(frozen=True)
class Advice:
    """What to do, for one data set, pattern and rate.

    Attributes:
        key: data set, pattern and rate.
        method: that gains most among those that surely help, None where none does.
        text: the advice as a sentence.
    """

    key: dict[str, Any]
    method: str | None
    text: str


def advise(summary: pl.DataFrame) -> list[Advice]:
    """One advice for each data set, pattern and rate."""
    advice = []
    hidden = [*BASELINES, BAYES]
    for key, part in summary.group_by(*_KEYS, maintain_order=True):
        named = dict(zip(_KEYS, key, strict=True))
        open_to_user = part.filter(~pl.col("method").is_in(hidden))
        helping = open_to_user.filter(pl.col("verdict") == HELPS).sort("gain", descending=True)
        harming = open_to_user.filter(pl.col("verdict") == HARMS)["method"].to_list()
        if len(helping):
            best = helping.row(0, named=True)
            text = (
                f"{best['method']}: {best['gain']:+.3f} (sd {best['gain_std']:.3f}) "
                "over keeping all"
            )
        else:
            best, text = None, "no method surely helps: keep everything"
        if harming:
            text += f"; harm: {', '.join(harming)}"
        advice.append(Advice(named, best["method"] if best else None, text))
    return advice
