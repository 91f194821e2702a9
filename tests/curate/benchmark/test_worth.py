from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from curate.benchmark.data import BenchData
from curate.benchmark.power_law import (
    WORTHS,
    PowerLaw,
    bootstrap_interval,
    fit_power_law,
    fit_resampled,
    inside_bounds,
)
from curate.benchmark.worth import (
    FittedValue,
    NoisyPairWorth,
    WorthPlan,
    _fit_and_describe,
    measure_worth,
)
from curate.benchmark.worth_page import worth_sentence
from curate.cli.app import app
from curate.steps.context import SilentProgress
from tests.helpers import simulate, trl_rows, write_jsonl

SIZES = np.array([25.0, 50, 100, 200, 400, 800, 1600])


def test_a_power_law_is_found_again() -> None:
    truth = PowerLaw(0.12, 1.1, 0.6, np.array([1.0, 2.8, 20.0]))
    errors = np.stack([truth.error(SIZES, rate) for rate in range(3)])
    worth = fit_power_law(SIZES, errors)
    assert worth.limit == pytest.approx(0.12, abs=0.005)
    assert worth.exponent == pytest.approx(0.6, abs=0.03)
    np.testing.assert_allclose(worth.worth, truth.worth, rtol=0.05)
    half = truth.enough(0.01)
    assert truth.gain_of_doubling(half) == pytest.approx(0.01)


@pytest.mark.slow
def test_intervals_hold_the_truth() -> None:
    truth = PowerLaw(0.1, 1.0, 0.5, np.array([1.0, 3.0]))
    clean = np.stack([truth.error(SIZES, rate) for rate in range(2)])
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(10):
        errors = clean + rng.normal(0, 0.01, (8, 2, len(SIZES)))
        draws = fit_resampled(SIZES, errors, 60, rng)
        low, high = bootstrap_interval([float(d.worth[1]) for d in draws])
        covered += low <= 3.0 <= high
    assert covered >= 7


@pytest.mark.slow
def test_noisy_pairs_are_worth_what_theory_says() -> None:
    """Where labels are otherwise sure, flips at a rate r cost 1 / (1 - 2 r)^2 pairs for one."""
    sim = simulate(4000, dim=24, scale=12.0, flips=0.0, seed=2)
    data = BenchData("simulated", sim.pairs, sim.context.features)
    worth = measure_worth(data, WorthPlan(rates=(0.2,), seeds=4), SilentProgress())
    assert worth.law is not None
    assert worth.findings.worth is not None
    (row,) = worth.findings.worth
    assert row.theory == 2.78
    assert 1.5 < row.one_clean_pair.value < 6.0
    means = worth.errors.mean(axis=0)
    assert (np.diff(means[0]) < 0.01).all()
    assert (means[1] > means[0] - 0.005).all()
    gain = worth.findings.gain_of_doubling
    assert gain is not None
    assert gain.low <= gain.value <= gain.high  # type: ignore[operator]


def test_labels_that_teach_nothing_say_so() -> None:
    sim = simulate(400, flips=0.5, seed=5)
    data = BenchData("coin", sim.pairs, sim.context.features)
    worth = measure_worth(data, WorthPlan(rates=(0.2,), seeds=3), SilentProgress())
    assert worth.law is None
    assert "does not fall" in worth.findings.text


def test_a_fit_that_ends_at_its_bound_is_no_value() -> None:
    """Noisy labels that teach nothing: no number of them is worth a clean pair."""
    truth = PowerLaw(0.1, 1.0, 0.5, np.array([1.0, 3.0]))
    errors = np.stack([truth.error(SIZES), np.full(len(SIZES), 0.5)])
    rng = np.random.default_rng(0)
    seeds = errors + rng.normal(0, 0.002, (6, *errors.shape))
    law, worth = _fit_and_describe(SIZES, seeds, (0.0, 0.45), WorthPlan(rates=(0.45,)))
    assert law is not None
    assert law.worth[1] == pytest.approx(WORTHS[1], rel=0.01)
    assert worth.worth is not None
    (row,) = worth.worth
    assert row.one_clean_pair.value is None
    assert row.one_clean_pair.high is None
    assert "These curves do not show how many" in worth_sentence(row)
    assert "to more;" in worth_sentence(row)


def test_a_fit_within_its_bounds_is_told() -> None:
    row = NoisyPairWorth(0.2, FittedValue(2.9, 1.8, 5.1), 2.78)
    expected = "One clean pair equals 2.9 pairs with 20% flips (1.8 to 5.1; 2.78 in theory)."
    assert worth_sentence(row) == expected
    assert inside_bounds(0.0, (0.0, 0.5)) is None
    assert inside_bounds(0.12, (0.0, 0.5)) == 0.12


@pytest.mark.slow
def test_command(tmp_path: Path) -> None:
    out, source = tmp_path / "w", str(write_jsonl(tmp_path / "d.jsonl", trl_rows(60)))
    done = CliRunner().invoke(app, ["worth", source, "--seeds", "2", "-o", str(out)])
    assert done.exit_code == 0, done.output
    worth = json.loads((out / "worth.json").read_text())
    assert len(worth["errors"]) == 2
    assert (out / "worth.html").stat().st_size > 1e6
