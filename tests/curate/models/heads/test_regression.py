from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit

from curate.models.heads.regression import fit_vote_regression


def votes(count: int, beta: np.ndarray, seed: int = 0) -> np.ndarray:
    """Differences of pairs, oriented by Bradley-Terry votes with these coefficients."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, len(beta)))
    x[:, 1] = 0.6 * x[:, 0] + 0.8 * x[:, 1]
    wins = rng.random(count) < expit(x @ beta)
    return np.where(wins[:, None], x, -x)


def test_coefficients_are_those_that_made_the_votes() -> None:
    beta = np.array([0.8, -0.5, 0.0])
    errors = []
    for seed in range(40):
        fit = fit_vote_regression(votes(800, beta, seed), np.arange(800))
        errors.append((fit.coefficients - beta) / fit.errors)
    z = np.array(errors)
    assert np.abs(z.mean(axis=0)).max() < 0.6
    assert z.std(axis=0) == pytest.approx(np.ones(3), abs=0.35)


def test_the_fit_is_where_autograd_finds_no_slope() -> None:
    x = votes(200, np.array([1.0, 0.3]))
    fit = fit_vote_regression(x, np.arange(200))
    size = np.sqrt(np.square(x).mean(axis=0))
    b = torch.tensor(fit.coefficients, dtype=torch.float64, requires_grad=True)
    loss = -torch.nn.functional.logsigmoid(torch.from_numpy(x / size) @ b).mean()
    (slope,) = torch.autograd.grad(loss, b)
    assert slope.abs().max().item() < 1e-5
    assert fit.deviance == pytest.approx(loss.item())


def test_repeated_votes_of_one_prompt_do_not_count_as_new_ones() -> None:
    x = votes(300, np.array([0.5, 0.2]))
    once = fit_vote_regression(x, np.arange(300))
    groups = np.tile(np.arange(300), 4)
    four = fit_vote_regression(np.tile(x, (4, 1)), groups)
    np.testing.assert_allclose(four.coefficients, once.coefficients, atol=1e-6)
    np.testing.assert_allclose(four.errors, once.errors, rtol=1e-3)
    low, high = once.interval(0)
    assert low < once.coefficients[0] < high
    assert once.p_value(0) < 0.01


def test_a_column_without_differences_has_no_effect() -> None:
    x = np.column_stack([votes(100, np.array([0.5, 0.0]))[:, 0], np.zeros(100)])
    fit = fit_vote_regression(x, np.arange(100))
    assert fit.coefficients[1] == 0.0
    assert fit.p_value(1) == 1.0
