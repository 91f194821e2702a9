"""Votes and verdicts on the same two answers."""

from __future__ import annotations

import numpy as np
import polars as pl

from curate.data.hashes import vote_keys
from curate.models.heads.posterior.other_votes import count_votes, spread_verdicts
from tests.helpers import pairs_of


def rows_of(choices: dict[str, str], items: int = 40) -> list[dict[str, object]]:
    """Votes of people on items: "a" or "b" is chosen, or "=" for a tie."""
    return [
        {
            "prompt": f"p{item}",
            "chosen": "a" if choice != "b" else "b",
            "rejected": "b" if choice != "b" else "a",
            "annotator": person,
            "is_tie": choice == "=",
        }
        for item in range(items)
        for person, choice in choices.items()
    ]


def test_votes_are_counted_for_and_against_each_label() -> None:
    pairs = pairs_of(rows_of({"x": "a", "y": "a", "z": "b", "t": "="}))
    counts = count_votes(pairs, vote_keys(pairs))
    assert counts.balance[:4].tolist() == [1.0, 1.0, -1.0, 1.0]
    assert counts.count[:4].tolist() == [3.0, 3.0, 3.0, 1.0]


def test_copies_of_one_vote_and_few_votes_do_not_count() -> None:
    few = pairs_of(rows_of({"x": "a", "y": "b"}, items=29))
    copies = pairs_of(rows_of({"x": "a"}) + rows_of({"x": "a"}))
    for pairs in (few, copies):
        counts = count_votes(pairs, vote_keys(pairs))
        assert (counts.balance == 1.0).all()
        assert (counts.count == 1.0).all()


def test_a_verdict_holds_for_every_vote_on_the_same_answers() -> None:
    pairs = pairs_of(rows_of({"x": "a", "y": "b"}, items=3))
    verdicts = np.array([1, 0, 0, -1, 0, 0], dtype=np.int8)
    spread = spread_verdicts(verdicts, vote_keys(pairs))
    assert spread.tolist() == [1, -1, 1, -1, 0, 0]
    alone = pl.concat([pairs[:1], pairs[3:4]])
    assert spread_verdicts(verdicts[:2], vote_keys(alone)).tolist() == [1, 0]
