from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from curate.scorers.disagreement.label_noise import (
    _negative_log_likelihood,
    fit_annotators,
    fit_label_noise,
    label_posterior_given_reliability,
)


def labels(rate: float, scale: float, seed: int, count: int = 20_000) -> np.ndarray:
    """Margins of observed labels: calibrated Bradley-Terry, then flips."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(size=count) * scale
    right = (rng.random(count) < expit(margin)) ^ (rng.random(count) < rate)
    return np.where(right, margin, -margin)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.1, 0.2, 0.3, 0.4])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_rate_is_found_whatever_the_scale_of_the_margins(
    rate: float, temperature: float
) -> None:
    fits = [fit_label_noise(labels(rate, 4.0, seed) * temperature) for seed in range(3)]
    assert np.mean([fit.rate for fit in fits]) == pytest.approx(rate, abs=0.02)
    assert np.mean([fit.scale for fit in fits]) == pytest.approx(1 / temperature, rel=0.15)


def test_no_flips_give_a_rate_near_zero() -> None:
    assert fit_label_noise(labels(0.0, 4.0, 0)).rate < 0.01


def test_the_likelihood_is_that_of_a_naive_loop() -> None:
    margins = labels(0.2, 3.0, 1, count=500)
    fit = fit_label_noise(margins)
    p = expit(fit.scale * margins)
    naive = sum(np.log(fit.reliability * q + (1 - fit.reliability) * (1 - q)) for q in p)
    assert fit.log_likelihood == pytest.approx(naive)


def test_posterior_is_bayes_rule_and_calibrated() -> None:
    assert label_posterior_given_reliability(np.array([0.9]), 0.8)[0] == pytest.approx(
        0.72 / (0.72 + 0.02)
    )
    assert label_posterior_given_reliability(np.array([0.3]), 0.5)[0] == pytest.approx(0.3)
    rng = np.random.default_rng(0)
    margin = rng.normal(size=200_000) * 3
    clean = rng.random(margin.size) < expit(margin)
    flipped = rng.random(margin.size) < 0.3
    observed = np.where(clean ^ flipped, margin, -margin)
    weight = label_posterior_given_reliability(expit(observed), 0.7)
    for low in (0.1, 0.4, 0.7, 0.9):
        near = np.abs(weight - low) < 0.03
        assert (~flipped[near]).mean() == pytest.approx(weight[near].mean(), abs=0.02)


def test_annotators_of_known_reliability_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    annotator = rng.integers(5, size=30_000)
    rates = np.array([0.05, 0.1, 0.2, 0.3, 0.45])
    margin = rng.normal(size=annotator.size) * 4
    right = (rng.random(margin.size) < expit(margin)) ^ (rng.random(margin.size) < rates[annotator])
    fit = fit_annotators(np.where(right, margin, -margin), annotator)
    np.testing.assert_allclose(1 - fit.reliability, rates, atol=0.03)
    assert fit.rounds < 1000


def test_few_votes_are_shrunk_towards_all() -> None:
    rng = np.random.default_rng(0)
    margin = rng.normal(size=5000) * 4
    right = (rng.random(5000) < expit(margin)) ^ (rng.random(5000) < 0.1)
    observed = np.where(right, margin, -margin)
    observed[:3] = -9.0  # three votes of one annotator, all against sure margins
    annotator = np.r_[np.ones(3, dtype=int), np.zeros(4997, dtype=int)]
    weak, strong = (fit_annotators(observed, annotator, prior).reliability for prior in (1, 100))
    assert weak[1] < strong[1] < strong[0]
    assert strong[1] == pytest.approx(strong[0], abs=0.05)


def test_a_known_reliability_leaves_only_the_scale() -> None:
    margins = labels(0.2, 4.0, 0)
    fit = fit_label_noise(margins * 3, reliability=0.8)
    assert fit.reliability == pytest.approx(0.8)
    assert fit.scale == pytest.approx(1 / 3, rel=0.1)


@pytest.mark.parametrize("point", [(0.3, 0.8), (-1.0, 0.55), (2.0, 0.99)])
def test_the_gradient_of_the_likelihood_is_that_of_finite_differences(
    point: tuple[float, float],
) -> None:
    margins = np.random.default_rng(0).normal(0.5, 2.0, 300)
    _, gradient = _negative_log_likelihood(np.array(point), margins)
    for k in range(2):
        step = np.eye(2)[k] * 1e-6
        high, low = (
            _negative_log_likelihood(np.array(point) + s, margins)[0] for s in (step, -step)
        )
        assert gradient[k] == pytest.approx((high - low) / 2e-6, rel=1e-5)
