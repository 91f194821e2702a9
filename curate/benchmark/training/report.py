"""What a bench by training found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from curate.benchmark.training.schedule import TrainingSchedule, VariantGain, best_variant
from curate.data.json_result import JsonResult


@dataclass(frozen=True)
class TrainingRun(JsonResult):
    """A finished training.

    Attributes:
        variant: name of the variant.
        seed: its seed.
        metric: what it reached.
        seconds: seconds that it took.
    """

    variant: str
    seed: int
    metric: float
    seconds: float


@dataclass(frozen=True)
class TrainingReport(JsonResult):
    """A bench by training.

    Attributes:
        advice: the variant that is shown better than keeping all pairs; None: keep everything.
        sentences: why, in words.
        lines: pipeline.yaml of the advice; empty where everything is kept.
        gains: what each variant gains over keeping all pairs.
        runs: every finished training.
        seeds: seeds of a variant that is trained to the end.
        is_complete: whether no training is missing; else the same call goes on.
        notes: what the user should know.
    """

    advice: str | None
    sentences: tuple[str, ...]
    lines: str
    gains: tuple[VariantGain, ...]
    runs: tuple[TrainingRun, ...]
    seeds: int
    is_complete: bool
    notes: tuple[str, ...] = ()


def training_sentences(
    gains: Sequence[VariantGain], schedule: TrainingSchedule, is_complete: bool
) -> tuple[str, ...]:
    """Return the advice in words, with what it rests on."""
    if not gains:
        return ("Keep everything: no variant changes the pairs.",)
    basis = (
        f"95 %, corrected for {len(gains)} variants; over training seeds, on one set of evaluation "
        "data"
    )
    best = best_variant(gains)
    if best is not None:
        limits = f"{best.low:+.4g} to {best.high:+.4g}"
        return (
            f"Use '{best.variant}': it gains {best.gain:+.4g} over keeping all pairs, with "
            f"{best.seeds} paired seeds ({limits}; {basis}).",
        )
    if not is_complete:
        return ("Not finished: run the same command again to go on. Until then, keep everything.",)
    widest = max(gain.high for gain in gains if gain.seeds > 1)
    return (
        f"Keep everything: no variant is shown better with {schedule.seeds} seeds ({basis}); gains "
        f"above {widest:+.4g} are ruled out.",
    )
