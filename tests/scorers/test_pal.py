from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curate.scorers.pal import NO_ANNOTATORS, PAL
from curate.steps.context import Context
from tests.helpers import context_of, numbered_pairs, pairs_of


def people(
    groups: int, annotators: int = 24, each: int = 40, flips: float = 0.1, seed: int = 0
) -> tuple[pl.DataFrame, Context, np.ndarray, np.ndarray]:
    """Votes of annotators whose groups prefer along opposite, then other axes; some flipped."""
    rng = np.random.default_rng(seed)
    axes = [np.eye(8)[0], -np.eye(8)[0], np.eye(8)[1]][:groups]
    rows, vectors, flipped = [], {}, []
    group = np.arange(annotators) % groups
    for person in range(annotators):
        for vote in range(each):
            i = person * each + vote
            first, second = rng.normal(size=(2, 8))
            wins = rng.random() < 1 / (1 + np.exp(-3.0 * (first - second) @ axes[group[person]]))
            flip = rng.random() < flips
            vectors[f"c{i}"], vectors[f"r{i}"] = (
                (first, second) if wins != flip else (second, first)
            )
            rows.append(
                {
                    "prompt": f"p{i}",
                    "chosen": f"c{i}",
                    "rejected": f"r{i}",
                    "annotator": f"a{person}",
                }
            )
            flipped.append(flip)
    pairs = pairs_of(rows)
    return pairs, context_of(pairs, vectors, 8), group, np.array(flipped)


@pytest.mark.slow
def test_two_opposed_groups_are_found_and_their_votes_are_no_noise() -> None:
    pairs, context, group, flipped = people(2)
    scores = PAL().score(pairs, context)
    assert context.facts["groups"] == 2
    assert context.facts["sizes"] == pytest.approx([0.5, 0.5], abs=0.05)
    names = pairs["annotator"].str.slice(1).cast(pl.Int64).to_numpy()
    agree = (scores["group"].to_numpy() == group[names]).mean()
    assert max(agree, 1 - agree) == 1.0
    margin = scores["margin"].to_numpy()
    assert (margin[~flipped] > 0).mean() > 0.85
    assert (margin[flipped] < 0).mean() > 0.7
    features = context.features
    gap = np.abs(features.of("chosen")[:, 0] - features.of("rejected")[:, 0])
    ranks = [pl.Series(x).rank().to_numpy() for x in (gap, scores["controversy"])]
    assert np.corrcoef(*ranks)[0, 1] > 0.8


@pytest.mark.slow
def test_one_group_is_not_split() -> None:
    pairs, context, _, _ = people(1)
    scores = PAL().score(pairs, context)
    assert context.facts["groups"] == 1
    assert scores["controversy"].max() == 0.0
    assert set(context.facts["held_out_log_likelihood"]) == {"1", "2"}


@pytest.mark.slow
def test_a_number_of_groups_that_is_given_is_taken() -> None:
    pairs, context, _, _ = people(2, annotators=8)
    PAL(groups=3).score(pairs, context)
    assert context.facts["groups"] == 3


def test_without_annotators_it_says_so() -> None:
    pairs = numbered_pairs(30)
    context = context_of(pairs, {}, 4)
    scores = PAL().score(pairs, context)
    assert scores["status"].unique().to_list() == [NO_ANNOTATORS]
    assert scores["margin"].null_count() == 30
    assert "no scores" in context.warnings[0]
