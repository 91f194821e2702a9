"""Whether the methods of a bench differ by more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy import stats

from curate.bench.run import BASELINES, BAYES

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEYS = ("dataset", "pattern", "rate")
MEASURES = {"auroc": "AUROC"}
# Holm-Bonferroni over the recipes.
_LEVEL = 0.05
# Differences between recipes over the spread of seeds.
_CLEAR, _SOME = 3.0, 1.0


@dataclass(frozen=True)
class Comparison:
    """What can be told of the methods on one data set, pattern and rate by one measure.

    Attributes:
        dataset: name.
        pattern: of flips.
        rate: of flips.
        measure: a key of `MEASURES`.
        signal: standard deviation over methods of their means, less what noise adds to it.
        noise: standard error of a method's mean: what is left of the spread over seeds when the
            common effect of each seed is taken out.
        ratio: signal over noise.
        best: method of the best mean.
        tied: methods that a paired t-test over seeds (Holm, 5 %) cannot tell from it.
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


def compare_methods(rows: pl.DataFrame) -> list[Comparison]:
    """One comparison for each data set, pattern, rate and measure with two seeds and two methods.

    After Signal and Noise (arXiv 2508.13144), with seeds in the place of checkpoints.
    """
    found = []
    methods = rows.filter(~pl.col("method").is_in([*BASELINES, BAYES]))
    for key, part in methods.group_by(*_KEYS, maintain_order=True):
        for measure in MEASURES:
            table = part.drop_nulls(measure).pivot(
                on="method", index="seed", values=measure, aggregate_function="first"
            )
            values = table.drop("seed").drop_nulls()
            if len(values) > 1 and values.width > 1:
                named = dict(zip(_KEYS, key, strict=True))
                found.append(_comparison(named, measure, values.columns, values.to_numpy()))
    return found


def _comparison(
    key: dict[str, object], measure: str, names: list[str], values: NDArray[np.float64]
) -> Comparison:
    """`values` are (seeds, methods)."""
    seeds, methods = values.shape
    means = values.mean(axis=0)
    # A hard split lowers all methods alike: what is common to a seed is no noise between methods.
    residual = values - means - values.mean(axis=1, keepdims=True) + values.mean()
    freedom = (seeds - 1) * (methods - 1)
    noise = float(np.sqrt(np.square(residual).sum() / freedom / seeds))
    signal = float(np.sqrt(max(float(means.var(ddof=1)) - noise**2, 0.0)))
    ratio = signal / noise if noise > 0 else float("inf") if signal > 0 else 0.0
    best = int(means.argmax())
    tied = [names[i] for i in _not_told_from(values, best)]
    return Comparison(
        dataset=str(key["dataset"]),
        pattern=str(key["pattern"]),
        rate=float(str(key["rate"])),
        measure=measure,
        signal=signal,
        noise=noise,
        ratio=ratio,
        best=names[best],
        tied=tied,
        text=_words(measure, ratio, names[best], tied),
    )


def _not_told_from(values: NDArray[np.float64], best: int) -> list[int]:
    """Methods whose paired difference to the best is not significant (Holm's step-down)."""
    others = [i for i in range(values.shape[1]) if i != best]
    p = []
    for other in others:
        gap = values[:, best] - values[:, other]
        # The t-test divides by the spread: equal gaps are told from 0 by being another number.
        if gap.std() == 0:
            p.append(0.0 if gap.mean() > 0 else 1.0)
        else:
            p.append(float(stats.ttest_rel(values[:, best], values[:, other]).pvalue))
    order = np.argsort(p, kind="stable")
    worse: set[int] = set()
    for position, at in enumerate(order):
        if p[at] > _LEVEL / (len(others) - position):
            break
        worse.add(others[at])
    return [other for other in others if other not in worse]


def _words(measure: str, ratio: float, best: str, tied: list[str]) -> str:
    how = "clearly" if ratio >= _CLEAR else "somewhat" if ratio >= _SOME else "not"
    text = f"{MEASURES[measure]}: methods differ {how} by more than chance"
    if ratio < _SOME:
        return f"{text}: take more seeds or more pairs before you choose"
    if not tied:
        return f"{text}; {best} is best"
    shown = ", ".join(tied[:4]) + (f" and {len(tied) - 4} more" if len(tied) > 4 else "")
    return f"{text}; {best} cannot be told from {shown}"
