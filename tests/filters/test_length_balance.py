"""The filter `sample` with `balance: length`: as often longer as shorter, at every difference."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curate import Context, CurateError, Pipeline, read_pairs
from curate.filters.sample import Sample


def biased_rows(count: int = 600, seed: int = 0) -> list[dict[str, str]]:
    """Pairs whose chosen answer is mostly longer, and the more so the larger the difference."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        short, factor = int(rng.integers(20, 60)), 1 + rng.exponential(0.8)
        texts = ["x" * int(short * factor), "y" * short]
        if rng.random() > 0.6 + 0.3 * min(factor - 1, 1):
            texts.reverse()
        rows.append({"prompt": f"Q{number}", "chosen": texts[0], "rejected": texts[1]})
    return rows


def length_ratios(frame: pl.DataFrame) -> np.ndarray:
    lengths = [
        frame[c].list.first().struct.field("content").str.len_chars()
        for c in ("chosen", "rejected")
    ]
    return ((lengths[0] + 1).log() - (lengths[1] + 1).log()).to_numpy()


@pytest.fixture(scope="module")
def pairs() -> pl.DataFrame:
    return read_pairs(biased_rows()).frame


def test_each_difference_is_balanced(pairs: pl.DataFrame) -> None:
    before = length_ratios(pairs)
    after = length_ratios(pairs.filter(Sample(balance="length").apply(pairs, Context()).keep))
    assert (before > 0).mean() > 0.7
    assert (after > 0).sum() == (after < 0).sum()
    # Not only in all: also among the largest differences, where the label is the most biased.
    large = np.abs(after) > np.quantile(np.abs(before), 0.5)
    assert abs((after[large] > 0).mean() - 0.5) < 0.03
    assert abs(after.mean()) < 0.02 < abs(before.mean())


def test_as_many_as_can_be_matched_are_kept(pairs: pl.DataFrame) -> None:
    ratios = length_ratios(pairs)
    kept_rows = int(Sample(balance="length").apply(pairs, Context()).keep.sum())
    shorter = int((ratios < 0).sum())
    assert 0.9 * 2 * shorter < kept_rows <= 2 * shorter + int((ratios == 0).sum())


@pytest.mark.parametrize(("size", "expected"), [({"rows": 50}, 50), ({"share": 0.1}, 60)])
def test_a_size_is_drawn_from_the_matches(
    pairs: pl.DataFrame, size: dict[str, float], expected: int
) -> None:
    keep = Sample(balance="length", **size).apply(pairs, Context()).keep
    ratios = length_ratios(pairs.filter(keep))
    assert len(ratios) == expected
    assert (ratios > 0).sum() == (ratios < 0).sum()


def test_the_draw_depends_on_the_seed_and_not_on_the_order(pairs: pl.DataFrame) -> None:
    def drawn_ids(frame: pl.DataFrame, seed: int) -> set[str]:
        keep = Sample(balance="length", rows=40, seed=seed).apply(frame, Context()).keep
        return set(frame.filter(keep)["pair_id"])

    assert drawn_ids(pairs, 1) == drawn_ids(pairs.reverse(), 1) != drawn_ids(pairs, 2)


def test_pairs_of_equal_lengths_are_balanced_already() -> None:
    rows = [{"prompt": f"Q{i}", "chosen": "ab", "rejected": "cd"} for i in range(10)]
    result = Pipeline({"filters": [{"type": "sample", "balance": "length"}]}).run(rows)
    assert result.rows_kept == 10
    (record,) = [step for step in result.steps if step.name == "sample"]
    assert record.facts["chosen_longer"] == {"before": 0, "after": 0}


def test_single_answers_and_odds_are_refused() -> None:
    with pytest.raises(CurateError, match="no lengths to balance"):
        Pipeline({"filters": [{"type": "sample", "balance": "length"}]}).run([{"text": "x"}])
    step = {"type": "sample", "balance": "length", "weights": "extra.w"}
    with pytest.raises(CurateError, match="balance and weights"):
        Pipeline({"filters": [step]})
