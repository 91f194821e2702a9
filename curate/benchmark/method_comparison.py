"""Whether the methods of a bench differ by more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy import stats

from curate.benchmark.run import BASELINES, BAYES
from curate.data.json_result import JsonResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEYS = ("dataset", "pattern", "rate")
MEASURES = {"auroc": "AUROC"}
# Holm-Bonferroni over the recipes.
_LEVEL = 0.05
# Chance of such differences between methods that are all alike (F-test): clear, and some.
_CLEAR, _SOME = 0.001, 0.05


@dataclass(frozen=True)
class MethodComparison(JsonResult):
    """How the methods compare on one dataset, pattern and rate by one measure.

    Attributes:
        dataset: name.
        pattern: flip pattern.
        rate: flip rate.
        measure: a key of `MEASURES`.
        signal: range of the methods' means over the mean of all.
        noise: standard error of a method's mean, over the same mean: what is left of the spread
            over seeds when the common effect of each seed is taken out.
        ratio: signal over noise.
        best: method of the best mean.
        tied: methods that do not differ from it by a paired t-test over seeds (Holm, 5 %).
        text: the same in plain words.
    """

    dataset: str
    pattern: str
    rate: float
    measure: str
    signal: float
    noise: float
    ratio: float
    best: str
    tied: list[str]
    text: str


def compare_methods(rows: pl.DataFrame) -> list[MethodComparison]:
    """Return one comparison for each dataset, pattern, rate and measure with two seeds and two
    methods.

    Signal and noise are those of arXiv 2508.13144, section 3: the range of the scores over their
    mean, and their relative spread, here over seeds instead of checkpoints. Whether methods differ
    is an F-test's, as the range of equal methods grows with their number.
    """
    comparisons = []
    methods = rows.filter(~pl.col("method").is_in([*BASELINES, BAYES]))
    for key, condition_rows in methods.group_by(*_KEYS, maintain_order=True):
        for measure in MEASURES:
            table = condition_rows.drop_nulls(measure).pivot(
                on="method", index="seed", values=measure, aggregate_function="first"
            )
            # A seed without a value of one method is left out for all: differences are paired by
            # seed.
            values = table.drop("seed").drop_nulls()
            if len(values) > 1 and values.width > 1:
                named = dict(zip(_KEYS, key, strict=True))
                comparisons.append(
                    _compare_on_measure(named, measure, values.columns, values.to_numpy())
                )
    return comparisons


def _compare_on_measure(
    key: dict[str, object], measure: str, names: list[str], values: NDArray[np.float64]
) -> MethodComparison:
    """Compare methods on one measure, given as (seeds, methods)."""
    seeds, methods = values.shape
    means = values.mean(axis=0)
    # A hard split lowers all methods alike: what is common to a seed is no noise between methods.
    residual = values - means - values.mean(axis=1, keepdims=True) + values.mean()
    # Of a two-way layout of seeds and methods without interaction.
    freedom = (seeds - 1) * (methods - 1)
    variance = np.square(residual).sum() / freedom
    between = seeds * float(means.var(ddof=1))
    # Methods without any spread over seeds differ if their means do at all.
    chance = (
        float(stats.f.sf(between / variance, methods - 1, freedom))
        if variance > 0
        else float(between == 0)
    )
    noise, signal = (float(v / values.mean()) for v in (np.sqrt(variance / seeds), np.ptp(means)))
    ratio = signal / noise if noise > 0 else float("inf") if signal > 0 else 0.0
    best = int(means.argmax())
    tied = [names[i] for i in _tied_with_best(values, best)]
    return MethodComparison(
        dataset=str(key["dataset"]),
        pattern=str(key["pattern"]),
        rate=float(str(key["rate"])),
        measure=measure,
        signal=signal,
        noise=noise,
        ratio=ratio,
        best=names[best],
        tied=tied,
        text=_describe_comparison(measure, chance, names[best], tied),
    )


def _tied_with_best(values: NDArray[np.float64], best: int) -> list[int]:
    """Return methods whose paired difference to the best is not significant (Holm's step-down)."""
    rivals = [i for i in range(values.shape[1]) if i != best]
    p = []
    for rival in rivals:
        gap = values[:, best] - values[:, rival]
        # The t-test divides by the spread: equal gaps differ from 0 if their mean does.
        if gap.std() == 0:
            p.append(0.0 if gap.mean() > 0 else 1.0)
        else:
            p.append(float(stats.ttest_rel(values[:, best], values[:, rival]).pvalue))
    order = np.argsort(p, kind="stable")
    worse: set[int] = set()
    for position, rival_index in enumerate(order):
        if p[rival_index] > _LEVEL / (len(rivals) - position):
            break
        worse.add(rivals[rival_index])
    return [rival for rival in rivals if rival not in worse]


def _describe_comparison(measure: str, chance: float, best: str, tied: list[str]) -> str:
    name = MEASURES[measure]
    if chance > _SOME:
        return (
            f"{name}: differences between methods are not significant; use more seeds or more "
            "pairs before you choose"
        )
    text = f"{name}: methods differ {'clearly' if chance <= _CLEAR else 'somewhat'}"
    if not tied:
        return f"{text}; {best} is best"
    named = ", ".join(tied[:4]) + (f" and {len(tied) - 4} more" if len(tied) > 4 else "")
    return f"{text}; {best} is not significantly better than {named}"
