"""What a pair is worth: learning curves of clean and noisy labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

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
from curate.data.json_result import JsonResult
from curate.data.json_types import Json, JsonObject, parse_json
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
class FittedValue(JsonResult):
    """A value of the fit with its 95 % interval; None for whichever ended at a bound of the fit.

    Attributes:
        value: by the fit to the means.
        low: lower end, by resampled fits.
        high: upper end.
    """

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class NoisyPairWorth(JsonResult):
    """How many noisy pairs teach as much as a clean one.

    Attributes:
        rate: their flip rate.
        one_clean_pair: noisy pairs for a clean one.
        theory: the same in theory, 1 / (1 - 2 rate)^2.
    """

    rate: float
    one_clean_pair: FittedValue
    theory: float


@dataclass(frozen=True)
class WorthFindings(JsonResult):
    """What learning curves say; what the fit gives is None where they do not surely fall.

    Attributes:
        error_at_most_pairs: error with all pairs, clean labels.
        error_at_least_pairs: error with the fewest pairs.
        limit: error that no number of pairs goes below.
        exponent: exponent of the decrease.
        gain_of_doubling: error that twice as many pairs would take away.
        least_gain: accuracy below which a doubling counts as not paying.
        enough: pairs from which on it does not pay; None also where that is far beyond the data.
        worth: noisy pairs for a clean one, by flip rate.
        text: the conclusions in words.
    """

    optional_fields: ClassVar[frozenset[str]] = frozenset(
        ("limit", "exponent", "gain_of_doubling", "least_gain", "enough", "worth")
    )

    error_at_most_pairs: float
    error_at_least_pairs: float
    limit: FittedValue | None = None
    exponent: FittedValue | None = None
    gain_of_doubling: FittedValue | None = None
    least_gain: float | None = None
    enough: FittedValue | None = None
    worth: tuple[NoisyPairWorth, ...] | None = None
    text: str = ""


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
    findings: WorthFindings

    def to_json(self) -> JsonObject:
        """Return the measurements and conclusions as plain data."""
        return {
            "dataset": self.dataset,
            "rates": list(self.rates),
            "sizes": self.sizes.tolist(),
            "errors": self.errors.round(4).tolist(),
            "law": None if self.law is None else self.law.to_json(),
            "findings": self.findings.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Json]) -> Worth:
        """Return what `to_json` gave; a file of an older version has no law.

        Raises:
            KeyError, ValueError: a part is missing or of another type.
        """
        law = values.get("law")
        return cls(
            dataset=parse_json(str, values["dataset"]),
            rates=parse_json(tuple[float, ...], values["rates"]),
            sizes=np.array(parse_json(list[int], values["sizes"]), dtype=np.int64),
            errors=np.array(parse_json(list[list[list[float]]], values["errors"])),
            law=None if law is None else PowerLaw.from_json(law),
            findings=parse_json(WorthFindings, values["findings"]),
        )


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
) -> tuple[PowerLaw | None, WorthFindings]:
    """Return the fit, and numbers with intervals and words."""
    clean = errors[:, 0]
    # Coin labels give flat curves with noise, to which a law could be fitted too.
    falls = stats.ttest_rel(clean[:, 0], clean[:, -1], alternative="greater").pvalue < _LEVEL
    ends = (round(float(clean[:, -1].mean()), 4), round(float(clean[:, 0].mean()), 4))
    if not falls:
        text = (
            "the error does not fall significantly from the smallest to the largest subset: the "
            "value of more pairs can't be estimated"
        )
        return None, WorthFindings(*ends, text=text)
    law = fit_power_law(sizes, errors.mean(axis=0))
    draws = fit_resampled(sizes, errors, _DRAWS, np.random.default_rng(0))
    return law, _fit_findings(ends, law, draws, float(sizes[-1]), rates, plan.least_gain)


def _fit_findings(
    ends: tuple[float, float],
    law: PowerLaw,
    draws: Sequence[PowerLaw],
    max_pairs: float,
    rates: tuple[float, ...],
    least_gain: float,
) -> WorthFindings:
    """Return what a fit says, with the intervals of the resampled fits."""
    doubling = [d.gain_of_doubling(max_pairs) for d in draws]
    gain = _value_with_interval(law.gain_of_doubling(max_pairs), doubling)
    enough, most = None, _MAX_EXTRAPOLATION * max_pairs
    if law.enough(least_gain) <= most:
        values = [min(d.enough(least_gain), most) for d in draws]
        enough = _value_with_interval(law.enough(least_gain), values, (0.0, most))
    return WorthFindings(
        *ends,
        limit=_value_with_interval(law.limit, [d.limit for d in draws], LIMITS),
        exponent=_value_with_interval(law.exponent, [d.exponent for d in draws], EXPONENTS),
        gain_of_doubling=gain,
        least_gain=least_gain,
        enough=enough,
        worth=tuple(
            NoisyPairWorth(
                rate,
                _value_with_interval(law.worth[i], [float(d.worth[i]) for d in draws], WORTHS),
                round(1.0 / (1.0 - 2.0 * rate) ** 2, 2),
            )
            for i, rate in enumerate(rates)
            if rate > 0
        ),
        text=_describe_worth(gain, enough, least_gain, max_pairs),
    )


def _value_with_interval(value: float, values: list[float], bounds: Bounds = _NONE) -> FittedValue:
    """Return a value and its interval; None for whichever ended at a bound of the fit."""
    inside = (inside_bounds(end, bounds) for end in (value, *bootstrap_interval(values)))
    return FittedValue(*(None if end is None else round(end, 4) for end in inside))


def _describe_worth(
    gain: FittedValue, enough: FittedValue | None, least_gain: float, max_pairs: float
) -> str:
    text = (
        f"doubling {max_pairs:,.0f} pairs would lower the error by {gain.value:.1%} "
        f"({gain.low:.1%} to {gain.high:.1%})"
    )
    bound = f"less than {least_gain:.1%} per doubling"
    if enough is None or enough.value is None:
        times = _MAX_EXTRAPOLATION
        return f"{text}; by the fit, more pairs still help at {times} times as many"
    if enough.value <= max_pairs:
        return f"{text}; from {enough.value:,.0f} pairs on, more clean pairs add {bound}"
    return (
        f"{text}; more pairs help up to about {enough.value:,.0f} ({bound} beyond that), which "
        f"is an extrapolation: {max_pairs:,.0f} were measured"
    )
