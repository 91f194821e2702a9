"""Agreement counts pairs, and its interval resamples prompts."""

from __future__ import annotations

import numpy as np
import pytest

from curate.models.heads.noise.pair_agreement import pair_agreement


def clustered(prompts: int, pairs: int, spread: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Margins whose chance to agree varies by prompt around .6; and the prompts."""
    rng = np.random.default_rng(seed)
    chance = np.clip(0.6 + spread * rng.normal(size=prompts), 0, 1)
    groups = np.repeat(np.arange(prompts), pairs)
    return np.where(rng.random(prompts * pairs) < chance[groups], 1.0, -1.0), groups


@pytest.mark.parametrize("prompts", [60, 2500])
def test_the_interval_holds_where_pairs_of_a_prompt_agree_alike(prompts: int) -> None:
    covered, naive = [], []
    for seed in range(60):
        margins, groups = clustered(prompts, 20, 0.15, seed)
        for interval, hits in (
            (pair_agreement(margins, groups), covered),
            (pair_agreement(margins), naive),
        ):
            hits.append(interval.low <= 0.6 <= interval.high)
    assert np.mean(covered) >= 0.88
    assert np.mean(naive) < np.mean(covered)


def test_pairs_and_prompts_are_named_as_what_they_are() -> None:
    margins = np.array([1.0, 1.0, -1.0, 0.0, np.nan])
    agreement = pair_agreement(margins, np.array([0, 0, 1, 1, 2]))
    assert (agreement.pairs, agreement.prompts, agreement.share) == (4, 2, 0.625)
    assert agreement.text.startswith("62.5% of 4 labels (95 %, resampling 2 prompts: ")
    assert agreement.to_json()["text"] == agreement.text


def test_no_margin_at_all() -> None:
    agreement = pair_agreement(np.array([np.nan]))
    assert (agreement.pairs, agreement.low, agreement.high) == (0, 0.0, 1.0)
