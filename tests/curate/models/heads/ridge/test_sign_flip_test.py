"""The exact test of whether features say anything of the labels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from curate.models.heads.ridge.sign_flip_test import (
    _STRONG_LENGTH,
    _VARIANCES,
    RESAMPLES,
    prompt_signs,
    sign_flip_p_value,
)

WIDTHS = (6, 2)


def p_value_of(features: np.ndarray, groups: np.ndarray) -> float:
    """Of labels that are 1 for every row."""
    signs = prompt_signs(groups)
    return sign_flip_p_value(
        features.T @ features, features.sum(axis=0), features.T @ signs, WIDTHS
    )


def test_signs_belong_to_prompts() -> None:
    groups = np.array([5, 7, 5, 9])
    signs = prompt_signs(groups)
    assert set(np.unique(signs)) == {-1.0, 1.0}
    np.testing.assert_array_equal(signs[0], signs[2])
    np.testing.assert_array_equal(prompt_signs(groups[::-1]), signs[::-1])
    many = prompt_signs(np.arange(4000))
    assert abs(many.mean()) < 0.01
    assert np.abs(np.corrcoef(many.T) - np.eye(RESAMPLES)).max() < 0.1


@pytest.mark.parametrize("pairs", [1, 3])
def test_random_labels_pass_in_one_trial_of_twenty(pairs: int) -> None:
    rng = np.random.default_rng(0)
    values = []
    for trial in range(400):
        # Pairs of a prompt are alike, and so are their labels.
        prompts = rng.normal(size=(40, 8))
        rows = np.repeat(prompts, pairs, axis=0) + 0.1 * rng.normal(size=(40 * pairs, 8))
        values.append(p_value_of(rows, np.repeat(np.arange(40), pairs) + 1000 * trial))
    assert 0.02 <= np.mean(np.array(values) < 0.05) <= 0.08
    assert np.mean(values) == pytest.approx(0.5, abs=0.05)


def test_labels_that_follow_features_are_no_chance() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 8))
    rows *= np.sign(rows[:, 0] + rng.normal(size=200))[:, None]
    assert p_value_of(rows, np.arange(200)) == pytest.approx(1 / (1 + RESAMPLES))


def test_the_statistic_is_the_mean_likelihood_at_fixed_strengths() -> None:
    rng = np.random.default_rng(1)
    rows, groups = rng.normal(size=(12, 8)), np.arange(12) // 2
    evidence = []
    for labels in (np.ones((12, 1)), prompt_signs(groups)):
        total = np.zeros(labels.shape[1])
        for variance in _VARIANCES:
            for factor in (1.0, _STRONG_LENGTH):
                variances = np.repeat([variance, variance * factor], WIDTHS)
                covariance = (rows * variances) @ rows.T + np.eye(12)
                total += multivariate_normal(np.zeros(12), covariance).pdf(labels.T)
        evidence.append(total)
    expected = (1 + (evidence[1] >= evidence[0][0] * (1 - 1e-9)).sum()) / (1 + RESAMPLES)
    assert p_value_of(rows, groups) == pytest.approx(expected)
