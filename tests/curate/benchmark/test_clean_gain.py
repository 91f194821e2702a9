"""Gains on clean labels, estimated from noisy ones of known truth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.special import expit, logit

from curate.benchmark.clean_gain import LabelTruth, PossibleMeans, clean_difference
from curate.benchmark.condition import Condition
from curate.benchmark.paired_gains import HARMS, HELPS, Rankings, gain_table, paired_gain

KEY = Condition("d", "p", 0.0)
MASS = np.array([1.0, 4.0, 1.0]) / 6.0
"""Of a lower, a middle and an upper flip rate."""


@dataclass(frozen=True)
class HeldOutPairs:
    """Held-out pairs under two heads; orientation is that of the observed label."""

    difference: np.ndarray
    gain: float
    truth: LabelTruth


def held_out_tests(
    count: int, rate: float, better: float, seed: int, belief: float = 0.0, judged_share: int = 0
) -> HeldOutPairs:
    """Heads that differ on a tenth of the pairs, on which the method is right with `better`.

    `belief` is what other labels say for the method where it differs, in nats: 0 where they know
    nothing of it.
    """
    rng = np.random.default_rng(seed)
    flipped = rng.random(count) < rate
    differs = rng.random(count) < 0.1
    method_right = np.where(rng.random(count) < better, 1.0, -1.0) * differs
    sign = np.where(flipped, -1.0, 1.0)
    other_log_odds = rng.normal(0.0, 0.3, count) + belief * method_right * sign
    odds = logit(1.0 - np.clip([rate - 0.04, rate, rate + 0.04], 0.002, 0.49))
    verdicts = np.zeros(count, dtype=np.int8)
    verdicts[:judged_share] = sign[:judged_share]
    truth = LabelTruth(
        np.repeat(other_log_odds[:, None], 3, axis=1), np.tile(odds, (count, 1)), MASS, verdicts
    )
    return HeldOutPairs(method_right * sign, float(method_right.mean()), truth)


def gain_of(tests: HeldOutPairs) -> tuple[float, float, float]:
    clean = clean_difference(tests.difference, tests.truth)
    numbers = np.arange(len(tests.difference))
    gain = paired_gain(clean.expected, numbers, numbers % 5, clean.means)
    return gain.mean, gain.low, gain.high


def test_labels_alone_decide_where_they_are_clean() -> None:
    tests = held_out_tests(4000, 0.0, 0.7, seed=0, belief=-2.0)
    mean, _, _ = gain_of(tests)
    # What other labels say of these pairs is wrong, and is overruled.
    assert mean == pytest.approx(tests.gain, abs=0.002)


def test_a_gain_of_six_points_is_seen_at_forty_percent_flips() -> None:
    tests = held_out_tests(40_000, 0.4, 0.8, seed=1)
    mean, low, _ = gain_of(tests)
    assert tests.gain == pytest.approx(0.06, abs=0.004)
    assert low > 0.03
    # Labels as they are show a fifth of it.
    assert tests.difference.mean() < 0.02
    assert abs(mean - tests.gain) < 0.02


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.4])
@pytest.mark.parametrize("better", [0.5, 0.7])
def test_intervals_hold_the_true_gain(rate: float, better: float) -> None:
    covered, wrong_help = [], []
    for seed in range(60):
        tests = held_out_tests(2000, rate, better, seed)
        _, low, high = gain_of(tests)
        covered.append(low <= tests.gain <= high)
        wrong_help.append(low > 0.0 and tests.gain <= 0.0)
    assert np.mean(covered) >= 0.93
    assert np.mean(wrong_help) <= 0.05


def test_a_method_that_follows_the_posterior_does_not_confirm_itself() -> None:
    # Other labels side with the method, which is right in half of the pairs alone.
    rng = np.random.default_rng(3)
    helps = 0
    for seed in range(40):
        tests = held_out_tests(4000, 0.1, 0.5, seed)
        side = 0.7 * np.sign(tests.difference)
        shift = (side + rng.normal(0, 0.1, len(side)))[:, None]
        truth = replace(tests.truth, other_log_odds=tests.truth.other_log_odds + shift)
        _, low, _ = gain_of(HeldOutPairs(tests.difference, tests.gain, truth))
        helps += low > 0.0
    assert helps <= 4


def test_judged_pairs_count_as_the_truth() -> None:
    tests = held_out_tests(1500, 0.4, 0.8, seed=5, judged_share=1500)
    mean, low, high = gain_of(tests)
    assert mean == pytest.approx(tests.gain, abs=1e-9)
    unjudged = gain_of(held_out_tests(1500, 0.4, 0.8, seed=5))
    assert high - low < 0.6 * (unjudged[2] - unjudged[1])


def test_the_mean_by_a_naive_sum() -> None:
    difference = np.array([1.0, -1.0, 0.0, 0.5])
    other_log_odds = np.array([0.3, -0.2, 1.0, 0.1])
    label = np.tile(logit([0.9, 0.8, 0.7]), (4, 1))
    points = np.repeat(other_log_odds[:, None], 3, axis=1)
    truth = LabelTruth(points, label, MASS, np.array([0, 0, 0, -1], dtype=np.int8))
    nodes = np.linspace(-4.0, 4.0, 81) * 0.7
    expected, squares = 0.0, 0.0
    for k, share in enumerate(MASS):
        eta = expit(label[0, k])
        mass, gains = [], []
        for c in nodes:
            likelihood, gain = np.exp(-0.5 * (c / 0.7) ** 2), 0.0
            for i in range(4):
                p = expit(other_log_odds[i] + c * difference[i])
                right, wrong = eta * p, (1 - eta) * (1 - p)
                if difference[i] == 0.0:
                    continue
                if i == 3:
                    likelihood, gain = likelihood * np.sqrt(wrong), gain - difference[i]
                else:
                    likelihood *= np.sqrt(right + wrong)
                    gain += difference[i] * (right - wrong) / (right + wrong)
            mass.append(likelihood)
            gains.append(gain)
        weights = np.array(mass) / np.sum(mass)
        expected += share * weights @ np.array(gains)
        squares += share * weights @ np.square(gains)
    clean = clean_difference(difference, truth)
    assert clean.expected.sum() == pytest.approx(expected)
    assert clean.means.variance == pytest.approx((squares - expected**2) / 16, rel=1e-4)


def test_two_draws_of_a_pair_have_one_label() -> None:
    tests = held_out_tests(1000, 0.3, 0.8, seed=7)
    once = clean_difference(tests.difference, tests.truth)
    rows = np.repeat(np.arange(1000), 2)
    twice = clean_difference(tests.difference[rows], tests.truth.take(rows), np.full(2000, 0.5))
    assert twice.expected.mean() == pytest.approx(once.expected.mean())
    assert twice.means.variance == pytest.approx(once.means.variance)


def test_no_difference_has_no_variance() -> None:
    tests = held_out_tests(50, 0.2, 0.5, seed=0)
    clean = clean_difference(np.zeros(50), tests.truth)
    assert (clean.expected.any(), clean.means.variance) == (False, 0.0)


def test_an_unknown_flip_rate_makes_a_gain_larger_or_smaller_but_not_doubtful() -> None:
    tests = held_out_tests(8000, 0.4, 0.8, seed=2)
    # Few wrong labels and weak heads, or many wrong labels and strong heads.
    odds, worth = logit([0.9, 0.57]), np.array([0.1, 1.4])
    side = np.sign(tests.difference * np.where(tests.truth.judgements < 0, -1, 1))[:, None]
    truth = LabelTruth(
        side * worth,
        np.tile(odds, (8000, 1)),
        np.array([0.5, 0.5]),
        np.zeros(8000, dtype=np.int8),
    )
    clean = clean_difference(tests.difference, truth)
    assert clean.means.share_below(0.0, 0.0, np.inf) < 0.02
    assert clean.means.quantile(0.025, 0.0, np.inf) > 0.0
    # A normal distribution of the same variance would reach below zero.
    normal = PossibleMeans.normal(float(clean.expected.mean()), clean.means.variance)
    assert normal.quantile(0.025, 0.0, np.inf) < 0.0


def test_a_distribution_by_hand() -> None:
    means = PossibleMeans(np.array([0.0, 1.0]), np.array([0.25, 0.75]))
    assert means.variance == pytest.approx(0.1875)
    assert means.share_below(0.5, 0.0, np.inf) == pytest.approx(0.25)
    by_hand = 0.25 * 0.5 + 0.75 * 0.158655
    assert means.share_below(0.0, 1.0, np.inf) == pytest.approx(by_hand, abs=1e-5)
    for share in (0.025, 0.5, 0.975):
        value = means.quantile(share, 0.3, 12.0)
        assert means.share_below(value, 0.3, 12.0) == pytest.approx(share, abs=1e-9)
    assert PossibleMeans.certain(2.0).quantile(0.975, 1.0, np.inf) == pytest.approx(3.959964)
    assert PossibleMeans.normal(2.0, 9.0).variance == pytest.approx(9.0, rel=0.01)


def test_verdicts_by_the_posterior() -> None:
    tests = held_out_tests(20_000, 0.2, 0.8, seed=8)
    worse = held_out_tests(20_000, 0.2, 0.2, seed=8)
    base = np.full(20_000, 0.5)
    numbers = np.arange(20_000)
    for case, verdict in ((tests, HELPS), (worse, HARMS)):
        right = np.stack([base, base + case.difference], axis=1)
        rankings = Rankings(
            KEY, ["keep all", "step"], right, numbers, numbers, numbers % 5, case.truth
        )
        table = gain_table(rankings, ["step"])
        assert table["verdict"].to_list() == [verdict]
        assert table["gain"][0] == pytest.approx(case.gain, abs=0.02)
