"""Rows that are drawn by weight have the weighted, two-sided loss in expectation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from curate.write.draws import MOST, Draws, draw_rows

Array = NDArray[np.float64]
PAIRS = 40
IDS = [f"pair {number}" for number in range(PAIRS)]
RNG = np.random.default_rng(11)
WEIGHTS = RNG.gamma(1.5, 0.7, PAIRS) * (RNG.random(PAIRS) > 0.1)
RIGHT = RNG.beta(2.0, 1.0, PAIRS)
MARGINS = RNG.normal(0.5, 2.0, PAIRS)


def bradley_terry(margin: float) -> float:
    return float(np.log1p(np.exp(-margin)))


def dpo(margin: float) -> float:
    return bradley_terry(0.1 * margin)


def cdpo(margin: float) -> float:
    return 0.9 * dpo(margin) + 0.1 * dpo(-margin)


def loss_of(draw: Draws, number: int, loss: Callable[[float], float]) -> float:
    """The sum over the rows of one draw, row by row."""
    total = 0.0
    for pair in range(PAIRS):
        flips = int(draw.flips[number, pair])
        for row in range(int(draw.times[number, pair])):
            total += loss(-MARGINS[pair] if row < flips else MARGINS[pair])
    return total


@pytest.mark.parametrize("loss", [bradley_terry, dpo, cdpo])
@pytest.mark.parametrize("draws", [1, 3])
def test_the_mean_over_seeds_is_the_weighted_two_sided_loss(
    loss: Callable[[float], float], draws: int
) -> None:
    expected = 0.0
    for weight, right, margin in zip(WEIGHTS, RIGHT, MARGINS, strict=True):
        expected += weight * (right * loss(margin) + (1.0 - right) * loss(-margin))
    seeds = 1500
    sums = np.empty((seeds, draws))
    for seed in range(seeds):
        drawn_rows = draw_rows(IDS, WEIGHTS, RIGHT, draws=draws, seed=seed)
        sums[seed] = [loss_of(drawn_rows, number, loss) for number in range(draws)]
    # Every draw, and not only all together, is an epoch of its own.
    error = sums.std(axis=0, ddof=1) / np.sqrt(seeds)
    assert np.all(np.abs(sums.mean(axis=0) - expected) < 4.0 * error)
    assert np.all(error < 0.01 * expected)


def test_signed_rows_have_the_gradient_of_the_two_sided_loss_at_a_margin_of_0() -> None:
    """There the gradient of the loss is -1/2 for either label, of opposite sign."""
    expected = WEIGHTS * (RIGHT - (1.0 - RIGHT)) * -0.5
    seeds = 3000
    gradients = np.zeros(PAIRS)
    for seed in range(seeds):
        drawn_rows = draw_rows(IDS, WEIGHTS, RIGHT, signed=True, seed=seed)
        times, flips = drawn_rows.times[0].astype(float), drawn_rows.flips[0].astype(float)
        assert np.array_equal(flips, np.where(RIGHT < 0.5, times, 0.0))
        gradients += -0.5 * (times - 2.0 * flips)
    np.testing.assert_allclose(gradients / seeds, expected, atol=4 * 0.5 * 0.5 / np.sqrt(seeds))


@pytest.mark.parametrize("draws", [1, 2, 5])
@pytest.mark.parametrize("signed", [False, True])
def test_the_number_of_rows_is_within_1_of_the_sum_of_weights(draws: int, signed: bool) -> None:
    rates = WEIGHTS * np.abs(2 * RIGHT - 1) if signed else WEIGHTS
    for seed in range(50):
        times = draw_rows(IDS, WEIGHTS, RIGHT, signed=signed, draws=draws, seed=seed).times
        assert np.all(np.abs(times.sum(axis=1) - rates.sum()) < 1)
        # Together the draws are one systematic sample too: what one leaves out, others have.
        assert np.all(np.abs(times.sum(axis=0) - draws * rates) < 1)


def test_ids_decide_and_not_the_order_of_the_pairs() -> None:
    order = np.random.default_rng(5).permutation(PAIRS)
    first = draw_rows(IDS, WEIGHTS, RIGHT, draws=3, seed=9)
    names = [IDS[row] for row in order]
    shuffled = draw_rows(names, WEIGHTS[order], RIGHT[order], draws=3, seed=9)
    assert np.array_equal(first.times[:, order], shuffled.times)
    assert np.array_equal(first.flips[:, order], shuffled.flips)
    other = draw_rows(IDS, WEIGHTS, RIGHT, draws=3, seed=10)
    assert not np.array_equal(first.times, other.times)


def test_equal_weights_and_probabilities_are_not_drawn_as_one() -> None:
    """With one sample for rows and labels, all labels would be flipped, or none."""
    even = draw_rows(IDS, np.ones(PAIRS), np.full(PAIRS, 0.7), draws=10, seed=1)
    assert np.all(even.times == 1)
    assert np.all(np.abs(even.flips.sum(axis=1) - 0.3 * PAIRS) < 1)
    assert np.all(np.abs(even.flips.sum(axis=0) - 3) <= 1)
    half = draw_rows(IDS, np.full(PAIRS, 0.5), np.ones(PAIRS), draws=2, seed=1)
    assert np.all(half.times.sum(axis=0) == 1)


def test_certain_labels_weights_of_0_huge_ones_and_no_pairs() -> None:
    right = np.array([1.0, 0.0, 1.0, 1.0])
    weights = np.array([1.0, 1.0, 0.0, 1e9])
    drawn_rows = draw_rows(["a", "b", "c", "d"], weights, right, seed=2)
    assert drawn_rows.times[0].tolist() == [1, 1, 0, MOST]
    assert drawn_rows.flips[0].tolist() == [0, 1, 0, 0]
    empty = draw_rows([], np.zeros(0), np.zeros(0), draws=2)
    assert empty.times.shape == empty.flips.shape == (2, 0)
