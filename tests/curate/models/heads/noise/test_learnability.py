"""Whether heads learn anything is decided rightly, and is no accident of repeated votes."""

from __future__ import annotations

import numpy as np
import pytest

from curate.models.heads.noise.learnability import NOTHING_LEARNT, assess_learnability


def test_chance_is_taken_for_learning_in_one_trial_of_twenty() -> None:
    rng = np.random.default_rng(0)
    verdicts = [assess_learnability(rng.normal(size=400)).ok for _ in range(1000)]
    assert 0.02 <= np.mean(verdicts) <= 0.065


def test_agreement_beyond_chance() -> None:
    signs = np.array([1.0] * 60 + [-1.0] * 40)
    result = assess_learnability(signs)
    assert result.ok
    assert result.agreement.share == pytest.approx(0.6)
    # One-sided binomial test for 60 of 100.
    assert result.p_value == pytest.approx(0.0284, abs=1e-4)
    assert "60.0% of 100 labels" in result.text
    few = assess_learnability(signs[::10])
    assert not few.ok
    assert NOTHING_LEARNT in few.warning


def test_votes_on_one_prompt_count_once() -> None:
    margins = np.array([1.0] * 50 + [-1.0, 1.0, -1.0])
    groups = np.array([0] * 50 + [1, 2, 3])
    result = assess_learnability(margins, groups)
    assert (result.with_labels, result.against_labels) == (2, 2)
    # Pairs are counted as pairs.
    assert result.agreement.share == pytest.approx(51 / 53)
    assert "96.2% of 53 labels" in result.text
    assert "4 prompts" in result.text
    assert assess_learnability(margins).ok
    assert not result.ok


def test_nothing_to_judge() -> None:
    for margins in (np.array([]), np.zeros(5), np.array([np.nan])):
        result = assess_learnability(margins)
        assert (result.with_labels, result.against_labels, result.ok) == (0, 0, False)
        assert "no label" in result.text
