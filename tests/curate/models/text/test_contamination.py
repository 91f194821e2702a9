"""The estimators against the figures of methods, sections 5 and 7."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from curate.models.text.contamination import (
    confident_learning_rate,
    holder_contamination,
    lowest_share_mask,
)


def observed(sigma: float, rate: float, count: int = 200_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    margin = rng.normal(size=count) * sigma
    right = (rng.random(count) < expit(margin)) ^ (rng.random(count) < rate)
    return expit(np.where(right, margin, -margin))


@pytest.mark.parametrize(("sigma", "expected"), [(1, 0.153), (2, 0.160), (4, 0.110)])
def test_holder_charges_ambiguity_as_noise(sigma: float, expected: float) -> None:
    assert holder_contamination(observed(sigma, 0.0)) == pytest.approx(expected, abs=0.003)


def test_holder_limits() -> None:
    assert holder_contamination(np.full(100, 0.5)) == pytest.approx(0.0)
    memorised = np.array([1.0] * 70 + [0.0] * 30)
    assert holder_contamination(memorised) == pytest.approx(0.3)
    assert np.isnan(holder_contamination(np.zeros(3)))


def test_holder_is_within_0_and_1() -> None:
    rng = np.random.default_rng(1)
    for gamma in (0.5, 1.0, 2.0, 8.0):
        assert 0.0 <= holder_contamination(rng.random(50), gamma) <= 1.0


@pytest.mark.parametrize(
    ("sigma", "rate", "expected"),
    [(2, 0.0, 0.138), (2, 0.2, 0.303), (2, 0.4, 0.442), (4, 0.0, 0.046), (4, 0.2, 0.248)],
)
def test_confident_rate_is_biased_upwards_by_ambiguity(
    sigma: float, rate: float, expected: float
) -> None:
    assert confident_learning_rate(observed(sigma, rate)) == pytest.approx(expected, abs=0.005)


def test_confident_rate_of_a_model_that_knows_nothing() -> None:
    assert np.isnan(confident_learning_rate(np.array([0.4, 0.5])))


def test_lowest_share() -> None:
    assert lowest_share_mask(np.array([3.0, 1.0, 1.0, 2.0]), 0.5).tolist() == [
        False,
        True,
        True,
        False,
    ]
    assert lowest_share_mask(np.array([1.0, 2.0]), 0.49).tolist() == [False, False]
