"""What is told of the noise rate holds on simulated labels whose rate is known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curate.models.heads.noise.rate import (
    disagreement_bound,
    estimate_noise_rate,
    noise_bound_from_margins,
    noise_rate_from_reviews,
    noise_rate_from_votes,
)
from tests.helpers import pairs_of

RATES = (0.0, 0.1, 0.2, 0.3, 0.4)


def held_out(rate: float, seed: int, count: int = 1200, skill: float = 1.0) -> np.ndarray:
    """Margins of heads that see the true margin with an error; labels of known noise."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0.0, 2.0, count)
    right = np.where(rng.random(count) < 1.0 / (1.0 + np.exp(-true)), 1.0, -1.0)
    observed = np.where(rng.random(count) < rate, -right, right)
    heads_view = skill * true + rng.normal(0.0, 1.0, count)
    return observed * heads_view


@pytest.mark.parametrize("rate", RATES)
def test_what_margins_tell_holds(rate: float) -> None:
    estimates = [noise_bound_from_margins(held_out(rate, seed)) for seed in range(25)]
    bounded = [t for t in estimates if t.high is not None]
    assert len(bounded) >= 20
    assert all(t.rate is None and t.low == 0.0 for t in bounded)
    assert np.mean([rate <= t.high for t in bounded]) >= 0.95  # type: ignore[operator]


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.3])
def test_the_bound_holds_where_ambiguous_pairs_are_flipped(rate: float) -> None:
    covered = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        true = rng.normal(0.0, 3.0, 800)
        right = np.where(rng.random(800) < 1.0 / (1.0 + np.exp(-true)), 1.0, -1.0)
        # The nearer to a coin's toss, the more often it is flipped, up to half of the time.
        chance = np.where(np.abs(true) < np.quantile(np.abs(true), 2 * rate), 0.5, 0.0)
        flipped = rng.random(800) < chance
        observed = true + rng.normal(0.0, 1.0, 800)
        margins = np.where(flipped, -right, right) * observed
        covered.append(disagreement_bound(margins) >= flipped.mean())
    assert np.mean(covered) >= 0.95


def test_the_bound_stands_beside_what_it_assumes() -> None:
    estimate = noise_bound_from_margins(held_out(0.1, 1))
    assert estimate.text.startswith(f"at most {estimate.high:.0%}, if no kind of pair")
    assert estimate.short.startswith(f"at most {estimate.high:.0%}")


def test_without_noise_an_upper_bound_is_told_and_no_point() -> None:
    estimate = noise_bound_from_margins(held_out(0.0, 1))
    assert estimate.rate is None
    assert estimate.text.startswith("at most ")
    assert estimate.low == 0.0


@pytest.mark.parametrize("count", [0, 1, 30, 400])
def test_heads_that_learn_nothing_tell_nothing(count: int) -> None:
    margins = np.random.default_rng(0).normal(size=count)
    margins -= margins.mean() if count else 0.0
    estimate = noise_bound_from_margins(margins)
    assert (estimate.rate, estimate.low, estimate.high) == (None, None, None)
    assert estimate.text.startswith("no estimate: ")
    assert "nan" not in estimate.text


def test_few_labels_of_much_noise_are_no_point() -> None:
    estimate = noise_bound_from_margins(held_out(0.3, 2, count=150, skill=0.3))
    assert estimate.rate is None
    assert "%" in estimate.text


def test_judged_pairs_give_the_rate_whatever_heads_say() -> None:
    reviewed = np.array([1] * 30 + [-1] * 20 + [0] * 50, dtype=np.int8)
    estimate = estimate_noise_rate(held_out(0.1, 0, count=100), reviewed=reviewed)
    assert estimate.rate == 0.4
    # Clopper-Pearson for 20 of 50.
    assert (estimate.low, estimate.high) == pytest.approx((0.2641, 0.5482), abs=1e-4)
    assert estimate.text == "40%, 95 %: 26% to 55%, if the 50 reviewed pairs were drawn at random"
    assert noise_rate_from_reviews(reviewed[:29]) is None
    none_wrong, all_wrong = (
        noise_rate_from_reviews(side * np.ones(30, np.int8)) for side in (1, -1)
    )
    assert none_wrong is not None
    assert (none_wrong.low, none_wrong.high) == (0.0, pytest.approx(0.1157, abs=1e-4))
    assert all_wrong is not None
    assert all_wrong.high == 1.0


def votes(rate: float, items: int, seed: int) -> pl.DataFrame:
    """Three people vote on each of the items; each vote is wrong with this probability."""
    rng = np.random.default_rng(seed)
    rows = []
    for item in range(items):
        for name in "abc":
            sides = ("x", "y") if rng.random() >= rate else ("y", "x")
            rows.append(
                {"prompt": f"p{item}", "chosen": sides[0], "rejected": sides[1], "annotator": name}
            )
    return pairs_of(rows)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2, 0.35])
def test_votes_on_the_same_pairs_tell_the_rate(rate: float) -> None:
    estimates = [noise_rate_from_votes(votes(rate, 250, seed)) for seed in range(20)]
    covered = [t is not None and t.low <= rate <= t.high for t in estimates]  # type: ignore[operator]
    assert np.mean(covered) >= 0.85
    assert np.mean([t.rate for t in estimates if t and t.rate]) == pytest.approx(rate, abs=0.02)


def test_votes_that_never_differ_give_a_bound_and_no_point() -> None:
    estimate = noise_rate_from_votes(votes(0.0, 50, 0))
    assert estimate is not None
    assert estimate.rate is None
    assert estimate.text.startswith("at most 1.0 %".replace(" %", "%"))


def test_few_or_single_votes_tell_nothing() -> None:
    assert noise_rate_from_votes(votes(0.1, 29, 0)) is None
    assert noise_rate_from_votes(votes(0.1, 90, 0).filter(pl.col("annotator") == "a")) is None
