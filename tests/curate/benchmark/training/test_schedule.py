"""Simulated trainers of known truth: false advice is rare, real gains are found, runs are saved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from curate import CurateError
from curate.benchmark.run import KEEP_ALL
from curate.benchmark.training.schedule import (
    BETTER,
    EQUAL,
    SEEDLESS,
    UNCLEAR,
    TrainingSchedule,
    TrainingTask,
    Values,
    best_variant,
    run_schedule,
)


class SimulatedTrainer:
    """Accuracy on 500 questions: a known truth, luck of the seed that all variants share, and luck
    of each training."""

    def __init__(self, truth: dict[str, float], bench: int, runs: int = 10_000) -> None:
        self.truth, self.bench, self.tasks, self.runs = truth, bench, [], runs

    def __call__(self, tasks: Sequence[TrainingTask]) -> Values:
        tasks = tasks[: self.runs - len(self.tasks)]
        self.tasks += tasks
        return {task: self.accuracy(task) for task in tasks}

    def accuracy(self, task: TrainingTask) -> float:
        shared = np.random.default_rng([self.bench, task.seed]).normal(0.0, 0.02)
        variant = sorted(self.truth).index(task.variant)
        generator = np.random.default_rng([self.bench, task.seed, variant])
        expected = self.truth[task.variant] + shared + generator.normal(0.0, 0.01)
        return float(generator.binomial(500, np.clip(expected, 0.0, 1.0)) / 500)


NOTHING_HELPS = {KEEP_ALL: 0.7, "same": 0.7, "equal": 0.7, "worse": 0.68, "much worse": 0.6}


@pytest.mark.parametrize("seeds", [3, 5, 9])
def test_at_most_5_percent_of_200_benches_advise_a_variant_that_does_not_help(seeds: int) -> None:
    names = tuple(name for name in NOTHING_HELPS if name != KEEP_ALL)
    wrong = 0
    for bench in range(200):
        trainer = SimulatedTrainer(NOTHING_HELPS, bench)
        gains, _ = run_schedule(TrainingSchedule(names, seeds), trainer)
        wrong += best_variant(gains) is not None
    assert wrong <= 10


def test_a_real_gain_is_found_with_fewer_runs_than_without_halving() -> None:
    truth = NOTHING_HELPS | {"helps": 0.78}
    names = tuple(name for name in truth if name != KEEP_ALL)
    schedule, count, covered = TrainingSchedule(names, 6), 0, 0
    for bench in range(50):
        trainer = SimulatedTrainer(truth, bench)
        gains, _ = run_schedule(schedule, trainer)
        best = best_variant(gains)
        count += best is not None and best.variant == "helps"
        (helping,) = (gain for gain in gains if gain.variant == "helps")
        covered += helping.low <= 0.08 <= helping.high
        assert len(trainer.tasks) <= schedule.max_runs() == 26 < 6 * 6
    assert count >= 45
    assert covered >= 47


def test_a_loss_is_better_where_it_is_smaller() -> None:
    trainer = SimulatedTrainer({KEEP_ALL: 0.5, "helps": 0.35}, 0)
    gains, _ = run_schedule(TrainingSchedule(("helps",), 5), trainer, sign=-1)
    assert gains[0].verdict == BETTER
    assert gains[0].gain == pytest.approx(0.15, abs=0.04)


def test_seeds_that_change_nothing_prove_nothing() -> None:
    def measure(tasks: Sequence[TrainingTask]) -> Values:
        return {task: 0.9 if task.variant == "ignores the seed" else 0.5 for task in tasks}

    schedule = TrainingSchedule(("ignores the seed", "same data"), 3)
    gains, _ = run_schedule(schedule, measure)
    assert [gain.verdict for gain in gains] == [SEEDLESS, EQUAL]
    assert best_variant(gains) is None


def test_a_budget_that_ends_early_advises_nothing() -> None:
    truth = {KEEP_ALL: 0.5, "helps": 0.9}
    gains, values = run_schedule(TrainingSchedule(("helps",), 6), SimulatedTrainer(truth, 0, 9))
    assert len(values) == 9
    assert (gains[0].seeds, gains[0].is_complete, gains[0].verdict) == (4, False, UNCLEAR)


def test_all_variants_shown_worse_end_the_bench() -> None:
    trainer = SimulatedTrainer({KEEP_ALL: 0.9, "bad": 0.2, "worse": 0.1}, 0)
    run_schedule(TrainingSchedule(("bad", "worse"), 30), trainer)
    assert len(trainer.tasks) == 30  # ten seeds of three


@pytest.mark.parametrize(("runs", "seeds"), [(9, 3), (12, 5), (100, 42)])
def test_runs_become_seeds(runs: int, seeds: int) -> None:
    schedule = TrainingSchedule.within(("a", "b"), runs)
    assert schedule.seeds == seeds
    assert schedule.max_runs() <= runs


def test_too_few_runs_are_refused_with_what_is_needed() -> None:
    with pytest.raises(CurateError, match="8 or more"):
        TrainingSchedule.within(("a", "b"), 7)
