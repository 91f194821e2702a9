"""What a pair is worth: learning curves of clean and noisy labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from curate.bench.data import BenchData, is_test, split
from curate.bench.downstream import Weights, accuracies
from curate.bench.power_law import (
    EXPONENTS,
    LIMITS,
    WORTHS,
    PowerLaw,
    fit_power_law,
    interval,
    resampled,
    within,
)
from curate.steps.context import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of the training sets; the law has three parameters.
_SIZES = 7
_SMALLEST = 20
# Resampled curves, for the interval.
_DRAWS = 200
_LEVEL = 0.01
"""Of the test that the error falls. Draws share pairs, so that at 0.05 coin labels passed in 5 of
40 simulations."""
# Of accuracy: half a point.
LEAST_GAIN = 0.005
Bounds = tuple[float, float]
_NONE: Bounds = (-np.inf, np.inf)
_FAR = 100
"""Times the measured pairs beyond which no end of gains is told."""


@dataclass(frozen=True)
class WorthPlan:
    """What is tried.

    Attributes:
        rates: of flips, beside clean labels.
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
        rates: of flips, 0 first.
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
        progress: where progress is shown.
    """
    rates = (0.0, *plan.rates)
    # The same sizes in every draw, so that errors can be averaged.
    most = min(int((~is_test(data.groups, seed)).sum()) for seed in range(plan.seeds))
    least = min(_SMALLEST, most)
    sizes = np.unique(np.geomspace(least, most, _SIZES).round().astype(np.int64))
    errors = np.empty((plan.seeds, len(rates), len(sizes)))
    with progress.task(f"worth {data.name}", plan.seeds) as task:
        for seed in range(plan.seeds):
            errors[seed] = _curves(data, rates, sizes, seed)
            task.advance()
    law, findings = _read(sizes.astype(np.float64), errors, rates, plan)
    return Worth(data.name, rates, sizes, errors, law, findings)


def _curves(
    data: BenchData,
    rates: tuple[float, ...],
    sizes: NDArray[np.int64],
    seed: int,
) -> NDArray[np.float64]:
    """(rates, sizes) errors of one draw; all heads are trained as one batch."""
    rng = np.random.default_rng([seed, len(data.pairs)])
    train, held_out = split(data, seed)
    count = len(train.pairs)
    # Larger parts hold the smaller ones: a curve's steps differ by what was added alone.
    rank = np.empty(count, dtype=np.int64)
    rank[rng.permutation(count)] = np.arange(count)
    # A pair that is flipped at a low rate is flipped at every higher one.
    luck = rng.random(count)
    weights = {}
    for rate in rates:
        flips = luck < rate
        for size in sizes:
            taken = rank < size
            right, wrong = (taken & ~flips, taken & flips)
            weights[f"{rate} {size}"] = Weights(right.astype(float), wrong.astype(float))
    found = accuracies(train, held_out, weights, style=False)
    return 1.0 - np.array(list(found.values())).reshape(len(rates), len(sizes))


def _read(
    sizes: NDArray[np.float64],
    errors: NDArray[np.float64],
    rates: tuple[float, ...],
    plan: WorthPlan,
) -> tuple[PowerLaw | None, dict[str, Any]]:
    """The fit, and numbers with intervals and words."""
    clean = errors[:, 0]
    # Coin labels give flat curves with noise, to which a law could be fitted too.
    falls = stats.ttest_rel(clean[:, 0], clean[:, -1], alternative="greater").pvalue < _LEVEL
    found: dict[str, Any] = {
        "error_at_most_pairs": round(float(clean[:, -1].mean()), 4),
        "error_at_least_pairs": round(float(clean[:, 0].mean()), 4),
    }
    if not falls:
        found["text"] = (
            "the error does not fall surely from the smallest to the largest part of this data: "
            "nothing can be said of what more pairs would give"
        )
        return None, found
    law = fit_power_law(sizes, errors.mean(axis=0))
    draws = resampled(sizes, errors, _DRAWS, np.random.default_rng(0))
    most = float(sizes[-1])
    found |= _numbers(law, draws, most, rates, plan.least_gain)
    found["text"] = _words(found, most)
    return law, found


def _numbers(
    law: PowerLaw,
    draws: Sequence[PowerLaw],
    most: float,
    rates: tuple[float, ...],
    least_gain: float,
) -> dict[str, Any]:
    """What a fit says, with the intervals of the resampled fits."""
    found: dict[str, Any] = {
        "limit": _told(law.limit, [d.limit for d in draws], LIMITS),
        "exponent": _told(law.exponent, [d.exponent for d in draws], EXPONENTS),
    }
    doubling = [d.gain_of_doubling(most) for d in draws]
    found["gain_of_doubling"] = _told(law.gain_of_doubling(most), doubling)
    found["least_gain"] = least_gain
    if law.enough(least_gain) <= _FAR * most:
        enough = [min(d.enough(least_gain), _FAR * most) for d in draws]
        found["enough"] = _told(law.enough(least_gain), enough, (0.0, _FAR * most))
    found["worth"] = [
        {
            "rate": rate,
            "one_clean_pair": _told(law.worth[i], [float(d.worth[i]) for d in draws], WORTHS),
            "theory": round(1.0 / (1.0 - 2.0 * rate) ** 2, 2),
        }
        for i, rate in enumerate(rates)
        if rate > 0
    ]
    return found


def _told(value: float, values: list[float], bounds: Bounds = _NONE) -> dict[str, float | None]:
    """None for a value, or an end of its interval, that is a bound of the fit."""
    ends = zip(("value", "low", "high"), (value, *interval(values)), strict=True)
    known = {name: within(end, bounds) for name, end in ends}
    return {name: None if end is None else round(end, 4) for name, end in known.items()}


def _words(found: dict[str, Any], most: float) -> str:
    gain, enough = found["gain_of_doubling"], found.get("enough")
    text = (
        f"doubling {most:,.0f} pairs would lower the error by {gain['value']:.1%} "
        f"({gain['low']:.1%} to {gain['high']:.1%})"
    )
    bound = f"less than {found['least_gain']:.1%} a doubling"
    if enough is None or enough["value"] is None:
        return f"{text}; as far as the fit tells, more pairs still pay at {_FAR} times as many"
    if enough["value"] <= most:
        return f"{text}; from {enough['value']:,.0f} pairs on more clean pairs pay {bound}"
    return (
        f"{text}; more pairs pay until some {enough['value']:,.0f} ({bound} from there on), which "
        f"is an extrapolation: {most:,.0f} were measured"
    )
