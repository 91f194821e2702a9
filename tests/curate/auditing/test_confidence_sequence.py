"""Intervals hold the truth for reviewers who stop whenever they like, and are not much wider."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import beta

from curate.auditing.confidence_sequence import ConfidenceSequence, DrawDesign
from curate.auditing.gold import audit_gold
from curate.people.sampling import Sampling, draw_sample

PAIRS = 2000


def simulated_set(
    rate: float, sampling: Sampling, count: int, seed: int, unusable: float = 0.0
) -> tuple[pl.DataFrame, list[float | None], pl.DataFrame]:
    """Return a sample, a verdict on each of its pairs (None: cannot be judged) and the pairs."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(PAIRS) < rate
    # Predictions with an AUROC of .91, on their own scale.
    signal = 0.95 * np.where(wrong, 1.0, -1.0) + rng.normal(size=PAIRS) + np.log(rate / (1 - rate))
    ids = [str(i) for i in range(PAIRS)]
    pairs = pl.DataFrame({"pair_id": ids, "is_tie": [False] * PAIRS})
    scores = pl.Series(1 / (1 + np.exp(-signal)))
    # Another seed than above: the same random bits would tie the draw to the labels.
    sample = draw_sample(pairs, scores, count, sampling, 10_000 + seed)
    usable = rng.random(PAIRS) >= unusable
    return sample, [float(w) if u else None for w, u in zip(wrong, usable, strict=True)], pairs


def never_missed(sample: pl.DataFrame, verdicts: list[float | None]) -> bool:
    """Return whether no interval of the review misses the truth: the reviewer who stops at the
    worst moment."""
    truth = np.mean([value for value in verdicts if value is not None])
    design = DrawDesign.from_sample(sample)
    assert design is not None
    sequence = ConfidenceSequence(design)
    for at in sample.with_row_index("at").filter("drawn").sort("order")["at"]:
        sequence.add(at, verdicts[at])
        if not sequence.low <= truth <= sequence.high:
            return False
    return True


def test_95_percent_of_500_reviewers_who_stop_at_the_worst_moment_are_right() -> None:
    reviews = [simulated_set(0.2, "random", 40, seed)[:2] for seed in range(500)]
    assert np.mean([never_missed(*review) for review in reviews]) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("unusable", [0.0, 0.2])
@pytest.mark.parametrize("sampling", ["random", "active"])
@pytest.mark.parametrize("rate", [0.05, 0.2, 0.4])
def test_it_holds_for_each_way_to_draw(rate: float, sampling: Sampling, unusable: float) -> None:
    reviews = [simulated_set(rate, sampling, 150, seed, unusable)[:2] for seed in range(500)]
    assert np.mean([never_missed(*review) for review in reviews]) >= 0.95


def test_it_is_at_most_one_and_a_half_times_as_wide_as_an_exact_interval_of_fixed_size() -> None:
    sequence = ConfidenceSequence(DrawDesign.uniform(4000))
    order = np.random.default_rng(0).permutation(200)
    sequence.add_all((int(n), float(n % 5 == 0)) for n in order)
    exact = beta.ppf(0.975, 41, 160) - beta.ppf(0.025, 40, 161)
    assert exact < sequence.high - sequence.low < 1.5 * exact
    assert sequence.rate == pytest.approx(0.2, abs=0.01)


def test_of_a_small_set_that_is_judged_as_a_whole_it_is_the_rate() -> None:
    sequence = ConfidenceSequence(DrawDesign.uniform(40))
    order = np.random.default_rng(0).permutation(40)
    sequence.add_all((int(n), float(n < 10)) for n in order)
    assert sequence.low <= 0.25 <= sequence.high
    assert sequence.high - sequence.low < 0.03


def test_an_active_draw_is_estimated_with_its_weights() -> None:
    estimates, truths, drawn_shares = [], [], []
    for seed in range(20):
        sample, wrong, pairs = simulated_set(0.2, "active", 100, seed)
        drawn_ids = sample.filter("drawn")["pair_id"]
        words = ["flip" if wrong[int(i)] else "keep" for i in drawn_ids]
        verdicts = pl.DataFrame({"pair_id": drawn_ids, "verdict": words})
        rate = audit_gold(pairs, np.full(PAIRS, np.nan), verdicts, sample)
        assert rate.rate is not None
        assert (rate.low, rate.high) == (rate.anytime_low, rate.anytime_high)
        assert "actively drawn" in rate.text
        estimates.append(rate.rate)
        truths.append(float(np.mean(wrong)))
        drawn_shares.append(words.count("flip") / 100)
    assert abs(np.mean(estimates) - np.mean(truths)) < 0.02
    # The plain share among drawn pairs is too high: doubtful pairs are drawn more often.
    assert np.mean(drawn_shares) > np.mean(truths) + 0.04


def test_a_review_that_stops_early_says_what_holds_whenever_it_stops() -> None:
    sample, wrong, pairs = simulated_set(0.2, "random", 60, 1)
    drawn_ids = sample.filter("drawn").sort("order")["pair_id"][:30]
    words = ["flip" if wrong[int(i)] else "keep" for i in drawn_ids]
    verdicts = pl.DataFrame({"pair_id": drawn_ids, "verdict": words})
    rate = audit_gold(pairs, np.full(PAIRS, 0.2), verdicts, sample)
    assert rate.anytime_low is not None
    assert rate.anytime_low < rate.low < rate.high < rate.anytime_high
    limits = f"{rate.anytime_low:.1%} to {rate.anytime_high:.1%}"
    assert rate.text.endswith(f"; valid whenever you stop: {limits}")


def test_a_sample_in_strata_has_no_sequence() -> None:
    assert DrawDesign.from_sample(simulated_set(0.2, "stratified", 50, 0)[0]) is None
