from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from curate.models.heads.noise.calibration import (
    calibrate,
    calibration_error,
    fit_scale,
    reliability_curve,
)


def margins(temperature: float, count: int = 40_000, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    true = rng.normal(size=count) * 2
    right = rng.random(count) < expit(true)
    return np.where(right, true, -true) * temperature


@pytest.mark.parametrize("temperature", [0.25, 1.0, 4.0])
def test_the_scale_undoes_the_temperature(temperature: float) -> None:
    assert fit_scale(margins(temperature)) == pytest.approx(1 / temperature, rel=0.05)


def test_error_is_small_when_calibrated_and_large_when_overconfident() -> None:
    assert calibration_error(margins(1.0)) < 0.015
    assert calibration_error(margins(4.0)) > 0.1
    result = calibrate(margins(4.0))
    assert result.error < 0.015 < result.error_before


def test_error_equals_a_naive_loop() -> None:
    values = margins(2.0, count=500)
    order = sorted(range(500), key=lambda i: abs(values[i]))
    total = 0.0
    for start in range(0, 500, 50):
        rows = order[start : start + 50]
        confidence = sum(1 / (1 + np.exp(-abs(values[i]))) for i in rows) / 50
        right = sum(values[i] > 0 for i in rows) / 50
        total += 50 * abs(confidence - right)
    assert calibration_error(values) == pytest.approx(total / 500)


def test_margins_that_know_nothing_get_scale_0() -> None:
    assert fit_scale(np.array([-1.0, -2.0, 0.5])) == 0.0
    assert fit_scale(np.array([])) == 0.0
    assert np.isnan(calibrate(np.array([])).accuracy)


def test_reliability_curve_rises_for_good_margins() -> None:
    curve = reliability_curve(margins(1.0))
    assert sum(point.pairs for point in curve) == 40_000
    assert [p.confidence for p in curve] == sorted(p.confidence for p in curve)
    assert curve[-1].accuracy > curve[0].accuracy + 0.3
