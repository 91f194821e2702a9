"""The share that clean labels would have, on simulated labels whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from curate.pipeline.selection_bias import CleanShare, clean_share


def simulated(seed: int, prompts: int = 120, each: int = 5) -> tuple[float, CleanShare | None]:
    """A calibrated posterior: each label is right with its own p. The truth, and the estimate."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(prompts), each)
    # Pairs of one prompt lean the same way.
    lean = np.repeat(rng.normal(0.5, 1.0, prompts), each)
    truth = np.where(rng.random(len(groups)) < 1 / (1 + np.exp(-lean)), 1, -1)
    right = rng.beta(4, 2, len(groups))
    label = np.where(rng.random(len(groups)) < right, truth, -truth)
    # P(right | label, lean) by Bayes' rule is what a posterior would be.
    prior = 1 / (1 + np.exp(-lean * label))
    posterior = right * prior / (right * prior + (1 - right) * (1 - prior))
    return float((truth > 0).mean()), clean_share(label, posterior, groups)


def test_the_interval_holds_the_truth_and_published_labels_do_not() -> None:
    covered = 0
    for seed in range(200):
        truth, interval = simulated(seed)
        assert interval is not None
        covered += interval.low <= truth <= interval.high
    # The interval is one for other prompts too, so that it holds more often than 95 %.
    assert covered >= 190


def test_the_formula_is_that_of_a_loop_over_prompts() -> None:
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 7, 60)
    signs = rng.choice([-1, 0, 1], 60)
    right = rng.random(60)
    right[::9] = np.nan
    rows = [i for i in range(60) if signs[i] != 0 and np.isfinite(right[i])]
    q = {i: right[i] if signs[i] > 0 else 1 - right[i] for i in rows}
    mean = sum(q.values()) / len(rows)
    sums = {g: sum(q[i] - mean for i in rows if groups[i] == g) for g in {groups[i] for i in rows}}
    between = sum(s * s for s in sums.values()) * len(sums) / (len(sums) - 1)
    error = np.sqrt(between + sum(v * (1 - v) for v in q.values())) / len(rows)
    interval = clean_share(signs, right, groups)
    assert interval is not None
    assert interval.share == pytest.approx(mean, abs=1e-4)
    assert interval.high - interval.share == pytest.approx(1.96 * error, abs=1e-3)


@pytest.mark.parametrize("share", [0.8, 0.3])
def test_an_uncertain_flip_rate_widens_the_interval_to_what_either_end_would_mean(
    share: float,
) -> None:
    """Flips at .4, thought to be .3 to .44: a posterior by the mean rate alone is too sure."""
    rng = np.random.default_rng(1)
    truth = np.where(rng.random(20_000) < share, 1, -1)
    label = np.where(rng.random(20_000) < 0.4, -truth, truth)
    right = np.full(20_000, 0.63)
    groups = np.arange(20_000) // 20
    sure = clean_share(label, right, groups)
    assert sure is not None
    assert not sure.low <= share <= sure.high
    wide = clean_share(label, right, groups, flip_rate=(0.3, 0.44))
    assert wide is not None
    assert wide.low <= share <= wide.high
    assert wide.share == sure.share
    published = float((label > 0).mean())
    ends = np.clip(sorted([(published - 0.3) / 0.4, (published - 0.44) / 0.12]), 0.0, 1.0)
    assert min(abs(wide.low - ends[0]), abs(wide.high - ends[1])) < 1e-3


@pytest.mark.parametrize("count", [0, 1])
def test_next_to_no_pairs(count: int) -> None:
    interval = clean_share(
        np.ones(count, dtype=int), np.full(count, 0.7), np.zeros(count, dtype=int)
    )
    assert (interval is None) == (count == 0)
