"""Which variants are trained with which seeds, and what that shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from curate.benchmark.run import KEEP_ALL
from curate.data.json_result import JsonResult
from curate.errors import CurateError
from curate.option_names import option_name

BETTER, WORSE, UNCLEAR = "better", "worse", "no difference shown"
EQUAL, SEEDLESS = "changes nothing", "the seeds change nothing"
MIN_SEEDS = 3
"""With two, the quantile of Student's t is 12.7 and more: nothing would be shown."""
_LEVEL = 0.05
_STAGES = 3


class TrainingTask(NamedTuple):
    """One training: of which variant, and with which seed."""

    variant: str
    seed: int


Values = Mapping[TrainingTask, float]
Measure = Callable[[Sequence[TrainingTask]], Values]
"""Runs trainings and returns the metric of each; tasks are missing where a budget has ended."""


@dataclass(frozen=True)
class TrainingSchedule:
    """Successive halving on seeds.

    Every variant gets the first third of the seeds, the better half the second third, and the
    better half of those the last. Keeping all pairs gets every seed. The plan does not depend on
    results: a variant is tested with all seeds or not at all.

    Attributes:
        variants: names, without keeping all pairs.
        seeds: seeds of a variant that is trained to the end.
    """

    variants: tuple[str, ...]
    seeds: int

    def stages(self) -> list[range]:
        """Return the seeds of each stage."""
        ends = [math.ceil(self.seeds * stage / _STAGES) for stage in range(1, _STAGES + 1)]
        # A difference needs two seeds to be told from chance.
        ends[0] = max(ends[0], 2)
        return [range(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    def max_runs(self) -> int:
        """Return the number of trainings, if no variant is given up early."""
        counts = [len(self.variants)]
        for _ in range(_STAGES - 1):
            counts.append(math.ceil(counts[-1] / 2))
        pairs = zip(self.stages(), counts, strict=True)
        return self.seeds + sum(len(stage) * count for stage, count in pairs)

    @classmethod
    def within(cls, variants: tuple[str, ...], runs: int) -> TrainingSchedule:
        """Return the schedule of most seeds that needs at most `runs` trainings.

        Raises:
            CurateError: too few runs for three seeds.
        """
        smallest = cls(variants, MIN_SEEDS)
        if smallest.max_runs() > runs:
            raise CurateError(
                f"too few runs for {MIN_SEEDS} seeds of each variant",
                where=option_name("runs"),
                found=str(runs),
                expected=f"{smallest.max_runs()} or more",
                fix="compare fewer variants",
            )
        seeds = MIN_SEEDS
        while cls(variants, seeds + 1).max_runs() <= runs:
            seeds += 1
        return cls(variants, seeds)


@dataclass(frozen=True)
class VariantGain(JsonResult):
    """What a variant gains over keeping all pairs.

    Attributes:
        variant: its name.
        seeds: seeds that both were trained with.
        gain: mean paired difference of the metric, positive where the variant is better.
        low: lower limit; all intervals of the bench hold together in 95 % of benches.
        high: upper limit.
        verdict: better, worse, or why neither is shown.
        is_complete: whether it was trained with all seeds; only then can it be called better.
    """

    variant: str
    seeds: int
    gain: float
    low: float
    high: float
    verdict: str
    is_complete: bool


def run_schedule(
    schedule: TrainingSchedule, measure: Measure, sign: int = 1
) -> tuple[list[VariantGain], Values]:
    """Train variants stage by stage; return their gains, and all values.

    Args:
        schedule: variants and seeds.
        measure: trains.
        sign: 1 where a larger metric is better, -1 where a smaller one is.
    """
    values: dict[TrainingTask, float] = {}
    variants, is_open = list(schedule.variants), True
    for number, stage in enumerate(schedule.stages()):
        tasks = [TrainingTask(name, seed) for seed in stage for name in (KEEP_ALL, *variants)]
        values |= measure(tasks)
        is_open = any(task not in values for task in tasks)
        if is_open or number == _STAGES - 1:
            break
        gains = [variant_gain(schedule, name, values, sign) for name in variants]
        variants = _better_half(gains)
        if not variants:
            break
    return [variant_gain(schedule, name, values, sign) for name in schedule.variants], values


def _better_half(gains: list[VariantGain]) -> list[str]:
    """Return the variants to go on with: the better half, without those that are shown worse."""
    ranked = sorted(gains, key=lambda gain: -gain.gain)[: math.ceil(len(gains) / 2)]
    return [gain.variant for gain in ranked if gain.verdict != WORSE]


def variant_gain(
    schedule: TrainingSchedule, variant: str, values: Values, sign: int
) -> VariantGain:
    """Return the gain of a variant over the seeds that both were trained with.

    Student's t on paired differences, at a level divided by the number of variants (Bonferroni).
    Giving up a variant early can only make it less likely to be called better: it is called so with
    all of its seeds alone, and the other variants do not change which these are.
    """
    differences = np.array(
        [
            sign * (values[task] - values[base])
            for seed in range(schedule.seeds)
            if (task := TrainingTask(variant, seed)) in values
            and (base := TrainingTask(KEEP_ALL, seed)) in values
        ]
    )
    count, is_complete = len(differences), len(differences) == schedule.seeds
    if count < 2:
        gain = float(differences.mean()) if count else math.nan
        return VariantGain(variant, count, gain, -math.inf, math.inf, UNCLEAR, False)
    # Equal differences of decimal numbers differ in their last digits.
    spread = float(np.ptp(differences))
    gain, error = float(differences.mean()), float(stats.sem(differences)) if spread > 1e-9 else 0.0
    level = _LEVEL / len(schedule.variants)
    half = float(stats.t.isf(level / 2.0, count - 1)) * error
    verdict = _verdict(gain, error, half, is_complete)
    return VariantGain(variant, count, gain, gain - half, gain + half, verdict, is_complete)


def _verdict(gain: float, error: float, half: float, is_complete: bool) -> str:
    if error == 0.0:
        # Seeds that change nothing are one training, whose luck nobody knows.
        return EQUAL if abs(gain) < 1e-9 else SEEDLESS
    if gain - half > 0.0 and is_complete:
        return BETTER
    return WORSE if gain + half < 0.0 else UNCLEAR


def best_variant(gains: Sequence[VariantGain]) -> VariantGain | None:
    """Return the variant that is shown better, with the highest lower limit; None: keep all."""
    better = [gain for gain in gains if gain.verdict == BETTER]
    return max(better, key=lambda gain: gain.low, default=None)
