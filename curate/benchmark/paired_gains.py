"""What a training method gains over keeping all pairs, and how much of it may be chance.

Every way is tested on the same held-out pairs as keeping all, so that differences are paired. Two
things vary: the prompts that happen to be tested, and the draws (split, flips, starts) that heads
are trained on. Pairs of one prompt, and one prompt in several draws, are no independent evidence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy import stats

from curate.benchmark.actions import DEFAULT
from curate.benchmark.clean_gain import (
    CleanDifference,
    LabelTruth,
    PossibleMeans,
    clean_difference,
)
from curate.benchmark.condition import Condition
from curate.data.table import dense_ranks
from curate.models.heads.folds import group_folds

if TYPE_CHECKING:
    from numpy.typing import NDArray

HELPS, HARMS, UNSEEN, NOTHING = "helps", "harms", "no difference seen", "changes nothing"
# Level of tests and intervals.
_LEVEL = 0.05
# With which the number of seeds that would show a gain is computed.
_POWER = 0.8


@dataclass(frozen=True)
class Rankings:
    """Held-out pairs of one dataset, pattern and rate, over all seeds.

    Attributes:
        key: dataset, pattern and rate.
        methods: ways to train; the first is keeping all.
        right: (tests, methods) how often a fresh head ranks the pair as its label does, 0 to 1.
        rows: (tests,) number of the pair.
        prompts: (tests,) number of the prompt.
        seeds: (tests,) number of the draw.
        truth: what is known of the truth behind the label of each pair of the dataset; None: the
            labels count as clean.
    """

    key: Condition
    methods: list[str]
    right: NDArray[np.float64]
    rows: NDArray[np.int64]
    prompts: NDArray[np.int64]
    seeds: NDArray[np.int64]
    truth: LabelTruth | None = None

    def difference(self, method: str) -> CleanDifference:
        """Return how a method differs from keeping all, on clean labels."""
        return self._differences[method]

    @cached_property
    def _differences(self) -> dict[str, CleanDifference]:
        labelled = {
            method: self.right[:, column] - self.right[:, 0]
            for column, method in enumerate(self.methods)
        }
        if self.truth is None:
            return {
                name: CleanDifference(values, PossibleMeans.certain(float(values.mean())))
                for name, values in labelled.items()
            }
        # A pair that several draws test has one label.
        weight = 1.0 / np.bincount(self.rows)[self.rows]
        truth = self.truth.take(self.rows)
        return {name: clean_difference(values, truth, weight) for name, values in labelled.items()}

    def where(self, mask: NDArray[np.bool_]) -> Rankings:
        """Return some of the tests."""
        return replace(
            self,
            right=self.right[mask],
            rows=self.rows[mask],
            prompts=self.prompts[mask],
            seeds=self.seeds[mask],
        )

    def gain(self, method: str) -> PairedGain:
        """Return the gain of a method over keeping all."""
        difference = self.difference(method)
        return paired_gain(difference.expected, self.prompts, self.seeds, difference.means)


@dataclass(frozen=True)
class PairedGain:
    """A mean difference with its 95 % interval.

    Attributes:
        mean: over held-out pairs.
        error: standard error.
        low: lower end.
        high: upper end.
        p: two-sided p value of the difference.
    """

    mean: float
    error: float
    low: float
    high: float
    p: float


def paired_gain(
    differences: NDArray[np.float64],
    prompts: NDArray[np.int64],
    seeds: NDArray[np.int64],
    means: PossibleMeans | None = None,
) -> PairedGain:
    """Return the mean of paired differences, with errors that are common within prompts and draws.

    The variance of a mean over clusters (prompts), plus what draws vary by more than the prompts in
    them explain; Student's t with Satterthwaite's degrees of freedom. It has the place of a
    bootstrap over prompts and seeds, in closed form.

    Args:
        differences: (tests,).
        prompts: (tests,) whose pairs vary together.
        seeds: (tests,) whose heads were trained together.
        means: what the mean may be, since the truth behind labels is unknown; default: it is known.
    """
    mean = float(differences.mean())
    sampled, freedom = _sampling_variance(differences, prompts, seeds)
    means = PossibleMeans.certain(mean) if means is None else means
    variance = sampled + means.variance
    if variance <= 0.0:
        return PairedGain(mean, 0.0, mean, mean, 1.0 if mean == 0.0 else 0.0)
    error = float(np.sqrt(sampled))
    low, high = (means.quantile(end, error, freedom) for end in (_LEVEL / 2, 1.0 - _LEVEL / 2))
    below = means.share_below(0.0, error, freedom)
    p = min(2.0 * min(below, 1.0 - below), 1.0)
    return PairedGain(mean, float(np.sqrt(variance)), low, high, p)


def _sampling_variance(
    differences: NDArray[np.float64], prompts: NDArray[np.int64], seeds: NDArray[np.int64]
) -> tuple[float, float]:
    """Return the variance of the mean over prompts and draws, and its degrees of freedom."""
    # Pairs of one prompt fail together: their errors count as one.
    # G / (G - 1) below is the usual small-sample factor of cluster-robust variances.
    clusters = np.bincount(
        dense_ranks(pl.Series(prompts)), weights=differences - differences.mean()
    )
    prompt_count = len(clusters)
    squares = float(np.square(clusters).sum()) / len(differences) ** 2
    within_draws = squares * prompt_count / max(prompt_count - 1, 1)
    # Draws share prompts: only what they vary by beyond the prompts is added.
    between_draws, draws = _between_draw_variance(differences, seeds, within_draws)
    sampled = within_draws + between_draws
    # Few prompts or few draws make the tails heavier.
    by_prompt = within_draws**2 / max(prompt_count - 1, 1)
    by_draw = between_draws**2 / max(draws - 1, 1)
    return sampled, sampled**2 / (by_prompt + by_draw) if sampled > 0.0 else np.inf


def _between_draw_variance(
    differences: NDArray[np.float64], seeds: NDArray[np.int64], within: float
) -> tuple[float, int]:
    """Return what draws add to the variance of the mean, and how many there are."""
    number = dense_ranks(pl.Series(seeds))
    sizes = np.bincount(number)
    draws = len(sizes)
    if draws < 2:
        return 0.0, draws
    means = np.bincount(number, weights=differences) / sizes
    return max(float(means.var(ddof=1)) / draws - within, 0.0), draws


def holm_correction(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p values corrected for looking at all of them, by Holm's step-down; (methods,)."""
    order = np.argsort(p, kind="stable")
    # The smallest p is compared with all methods, the next with all but one, and so on.
    steps = p[order] * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    # A running maximum: a larger p value must not end up with the smaller correction.
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def gain_table(tested: Rankings, family: list[str]) -> pl.DataFrame:
    """Return one row a method of a family: gain, its interval, Holm's p within the family, the
    verdict.

    The default step is what one would take without a bench, so it is tested by itself. A step that
    gains nothing is then called a help in at most 2.5 % for the default, and 2.5 % for all others.
    """
    gains = [tested.gain(method) for method in family]
    corrected = np.array([gain.p for gain in gains])
    is_compared = np.array([name != DEFAULT for name in family], dtype=bool)
    corrected[is_compared] = holm_correction(corrected[is_compared])
    rows = [
        {
            "method": name,
            "gain": gain.mean,
            "gain_error": gain.error,
            "gain_low": gain.low,
            "gain_high": gain.high,
            "p": float(p),
            "verdict": _gain_verdict(gain, float(p)),
        }
        for name, gain, p in zip(family, gains, corrected, strict=True)
    ]
    schema = {
        "method": pl.String,
        **dict.fromkeys(("gain", "gain_error", "gain_low", "gain_high", "p"), pl.Float64),
        "verdict": pl.String,
    }
    return pl.DataFrame(rows, schema=schema)


def _gain_verdict(gain: PairedGain, p: float) -> str:
    if gain.error == 0.0 and gain.mean == 0.0:
        return NOTHING
    if p >= _LEVEL:
        return UNSEEN
    return HELPS if gain.mean > 0 else HARMS


def smallest_visible_gain(table: pl.DataFrame) -> float | None:
    """Return the least gain that would be seen in four of five tries of any method; None: none
    acts.
    """
    error = float(table["gain_error"].to_numpy().max(initial=0.0))
    # 1.96 for the test plus .84 for four of five tries: 2.8 standard errors.
    needed = float(stats.norm.ppf(1.0 - _LEVEL / 2.0) + stats.norm.ppf(_POWER))
    return needed * error if error > 0 else None


def gain_by_halves(tested: Rankings, family: list[str]) -> PairedGain:
    """Return the gain of choosing: the best method on one half of the prompts, measured on the
    other.

    Both ways round, and keeping all where nothing gains. The best of several looks better on the
    pairs that it was chosen on than it is.
    """
    # By prompt: pairs of one prompt in both halves would carry the choice over.
    in_second_half = group_folds(tested.prompts, 2, 0) == 1
    expected, variance = np.zeros(len(in_second_half)), 0.0
    for selection in (in_second_half, ~in_second_half):
        if not selection.any() or selection.all():
            continue
        means = {method: tested.where(selection).gain(method).mean for method in family}
        best = max(means, key=means.__getitem__, default=None)
        # Where nothing gains on one half, one would keep all pairs.
        if best is not None and means[best] > 0:
            difference = tested.where(~selection).difference(best)
            expected[~selection] = difference.expected
            variance += difference.means.variance * float((~selection).mean()) ** 2
    possible = PossibleMeans.normal(float(expected.mean()), variance)
    return paired_gain(expected, tested.prompts, tested.seeds, possible)
