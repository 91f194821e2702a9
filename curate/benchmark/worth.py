"""What a pair is worth: learning curves of clean and noisy labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from curate.benchmark.data import BenchData, held_out_mask, split_train_test
from curate.benchmark.downstream import Weights, accuracy_by_weighting
from curate.benchmark.power_law import (
    EXPONENTS,
    LIMITS,
    WORTHS,
    PowerLaw,
    bootstrap_interval,
    fit_power_law,
    fit_resampled,
    inside_bounds,
)
from curate.steps.context import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Points on a learning curve: more than twice the law's three parameters.
_CURVE_POINTS = 7
_MIN_TRAINING_PAIRS = 20
# Resampled curves, for the interval.
# Each end of a 95 % interval then has five draws beyond it.
_DRAWS = 200
_LEVEL = 0.01
"""Level of the test that the error falls. Draws share pairs: at 0.05 random labels passed in 5 of
40 simulations."""
# Half a point of accuracy.
LEAST_GAIN = 0.005
Bounds = tuple[float, float]
_NONE: Bounds = (-np.inf, np.inf)
_MAX_EXTRAPOLATION = 100
"""Multiple of the measured pairs beyond which no end of the gains is reported."""


@dataclass(frozen=True)
class WorthPlan:
    """What is tried.

    Attributes:
        rates: flip rates to test besides clean labels.
        seeds: draws of test prompts, order and flips.
        least_gain: accuracy below which a doubling of the data counts as not paying.
    """

    rates: tuple[float, ...] = (0.2, 0.4)
    seeds: int = 8
    least_gain: float = LEAST_GAIN


@dataclass(frozen=True)
class Worth:
    """Learning curves and what they say.

    Attributes:
        dataset: its name.
        rates: flip rates, 0 first.
        sizes: pairs that were learned from.
        errors: (seeds, rates, sizes) share of clean held-out pairs that are ranked wrongly.
        law: the fit to the means, None where the curve does not fall surely.
        findings: numbers with intervals, and words.
    """

    dataset: str
    rates: tuple[float, ...]
    sizes: NDArray[np.int64]
    errors: NDArray[np.float64]
    law: PowerLaw | None
    findings: dict[str, Any]


def measure_worth(data: BenchData, plan: WorthPlan, progress: Progress) -> Worth:
    """Train fresh reward heads on more and more pairs, clean and flipped, and fit a power law.

    The law of WorldPM (arXiv 2505.10527) for the error on clean pairs whose prompts were never
    seen; noisy pairs for a clean one after Ambient Diffusion's question. Heads are linear on fixed
    embeddings: the figures say what such a head learns, not what a fine-tuned model would.

    Args:
        data: pairs whose labels count as clean.
        plan: what is tried.
        progress: receives the progress.
    """
    rates = (0.0, *plan.rates)
    # The same sizes in every draw, so that errors can be averaged.
    max_pairs = min(int((~held_out_mask(data.groups, seed)).sum()) for seed in range(plan.seeds))
    min_pairs = min(_MIN_TRAINING_PAIRS, max_pairs)
    # Rounded sizes of a small dataset can coincide.
    sizes = np.unique(np.geomspace(min_pairs, max_pairs, _CURVE_POINTS).round().astype(np.int64))
    errors = np.empty((plan.seeds, len(rates), len(sizes)))
    with progress.task(f"worth {data.name}", plan.seeds) as task:
        for seed in range(plan.seeds):
            errors[seed] = _learning_curves(data, rates, sizes, seed)
            task.advance()
    law, findings = _fit_and_describe(sizes.astype(np.float64), errors, rates, plan)
    return Worth(data.name, rates, sizes, errors, law, findings)


def _learning_curves(
    data: BenchData,
    rates: tuple[float, ...],
    sizes: NDArray[np.int64],
    seed: int,
) -> NDArray[np.float64]:
    """Return the errors of one draw, (rates, sizes); all heads are trained as one batch."""
    rng = np.random.default_rng([seed, len(data.pairs)])
    train, held_out = split_train_test(data, seed)
    count = len(train.pairs)
    # Larger subsets contain the smaller ones: a curve's steps differ only by the added pairs.
    rank = np.empty(count, dtype=np.int64)
    rank[rng.permutation(count)] = np.arange(count)
    # A pair that is flipped at a low rate is flipped at every higher one.
    flip_draws = rng.random(count)
    weights = {}
    for rate in rates:
        flips = flip_draws < rate
        for size in sizes:
            in_sample = rank < size
            right, wrong = (in_sample & ~flips, in_sample & flips)
            weights[f"{rate} {size}"] = Weights(right.astype(float), wrong.astype(float))
    accuracy = accuracy_by_weighting(train, held_out, weights, style=False)
    return 1.0 - np.array(list(accuracy.values())).reshape(len(rates), len(sizes))


def _fit_and_describe(
    sizes: NDArray[np.float64],
    errors: NDArray[np.float64],
    rates: tuple[float, ...],
    plan: WorthPlan,
) -> tuple[PowerLaw | None, dict[str, Any]]:
    """Return the fit, and numbers with intervals and words."""
    clean = errors[:, 0]
    # Coin labels give flat curves with noise, to which a law could be fitted too.
    falls = stats.ttest_rel(clean[:, 0], clean[:, -1], alternative="greater").pvalue < _LEVEL
    findings: dict[str, Any] = {
        "error_at_most_pairs": round(float(clean[:, -1].mean()), 4),
        "error_at_least_pairs": round(float(clean[:, 0].mean()), 4),
    }
    if not falls:
        findings["text"] = (
            "the error does not fall significantly from the smallest to the largest subset: the "
            "value of more pairs can't be estimated"
        )
        return None, findings
    law = fit_power_law(sizes, errors.mean(axis=0))
    draws = fit_resampled(sizes, errors, _DRAWS, np.random.default_rng(0))
    max_pairs = float(sizes[-1])
    findings |= _fit_findings(law, draws, max_pairs, rates, plan.least_gain)
    findings["text"] = _describe_worth(findings, max_pairs)
    return law, findings


def _fit_findings(
    law: PowerLaw,
    draws: Sequence[PowerLaw],
    max_pairs: float,
    rates: tuple[float, ...],
    least_gain: float,
) -> dict[str, Any]:
    """Return what a fit says, with the intervals of the resampled fits."""
    findings: dict[str, Any] = {
        "limit": _value_with_interval(law.limit, [d.limit for d in draws], LIMITS),
        "exponent": _value_with_interval(law.exponent, [d.exponent for d in draws], EXPONENTS),
    }
    doubling = [d.gain_of_doubling(max_pairs) for d in draws]
    findings["gain_of_doubling"] = _value_with_interval(law.gain_of_doubling(max_pairs), doubling)
    findings["least_gain"] = least_gain
    if law.enough(least_gain) <= _MAX_EXTRAPOLATION * max_pairs:
        enough = [min(d.enough(least_gain), _MAX_EXTRAPOLATION * max_pairs) for d in draws]
        findings["enough"] = _value_with_interval(
            law.enough(least_gain), enough, (0.0, _MAX_EXTRAPOLATION * max_pairs)
        )
    findings["worth"] = [
        {
            "rate": rate,
            "one_clean_pair": _value_with_interval(
                law.worth[i], [float(d.worth[i]) for d in draws], WORTHS
            ),
            "theory": round(1.0 / (1.0 - 2.0 * rate) ** 2, 2),
        }
        for i, rate in enumerate(rates)
        if rate > 0
    ]
    return findings


def _value_with_interval(
    value: float, values: list[float], bounds: Bounds = _NONE
) -> dict[str, float | None]:
    """Return a value and its interval; None for whichever ended at a bound of the fit."""
    ends = zip(("value", "low", "high"), (value, *bootstrap_interval(values)), strict=True)
    inside = {name: inside_bounds(end, bounds) for name, end in ends}
    return {name: None if end is None else round(end, 4) for name, end in inside.items()}


def _describe_worth(findings: dict[str, Any], max_pairs: float) -> str:
    gain, enough = findings["gain_of_doubling"], findings.get("enough")
    text = (
        f"doubling {max_pairs:,.0f} pairs would lower the error by {gain['value']:.1%} "
        f"({gain['low']:.1%} to {gain['high']:.1%})"
    )
    bound = f"less than {findings['least_gain']:.1%} per doubling"
    if enough is None or enough["value"] is None:
        times = _MAX_EXTRAPOLATION
        return f"{text}; by the fit, more pairs still help at {times} times as many"
    if enough["value"] <= max_pairs:
        return f"{text}; from {enough['value']:,.0f} pairs on, more clean pairs add {bound}"
    return (
        f"{text}; more pairs help up to about {enough['value']:,.0f} ({bound} beyond that), which "
        f"is an extrapolation: {max_pairs:,.0f} were measured"
    )
