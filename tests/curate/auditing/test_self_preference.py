"""A judge that favours its own answers, among judges of the same pairs."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from curate.auditing.biases import audit_biases
from curate.auditing.self_preference import audit_self_preference
from tests.helpers import pairs_of


def votes(bias: float, pairs: int = 400) -> pl.DataFrame:
    """Judges x and y on answers of models x and z of equal quality; x is biased to its own."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(pairs):
        by_x = rng.random() < 0.5
        for judge in ("X", "y"):
            wins_x = rng.random() < bias if judge == "X" else by_x
            texts = {"x": f"{number} by x", "z": f"{number} by z"}
            chosen, rejected = ("x", "z") if wins_x else ("z", "x")
            extra = {"chosen_model": chosen, "rejected_model": rejected}
            rows.append(
                {
                    "prompt": str(number),
                    "chosen": texts[chosen],
                    "rejected": texts[rejected],
                    "annotator": judge,
                    "extra": json.dumps(extra),
                }
            )
    return pairs_of(rows)


def test_a_judge_that_favours_itself_is_shown_beside_the_others() -> None:
    pairs = votes(0.8)
    self_share, peer_share = audit_self_preference(pairs)
    assert (self_share.trait, peer_share.trait) == (
        "written by x, by its own votes",
        "written by x, by others' votes",
    )
    assert (self_share.pairs, peer_share.pairs) == (400, 400)
    assert self_share.share == pytest.approx(0.8, abs=0.05)
    wins = [turns[0]["content"].endswith("x") for turns in pairs["chosen"][1::2]]
    assert peer_share.share == pytest.approx(np.mean(wins))
    assert self_share.low is not None
    assert peer_share.high is not None
    assert self_share.low > peer_share.high


def test_without_a_judge_among_the_authors_there_is_nothing() -> None:
    pairs = votes(0.5, 20)
    assert len(audit_biases(pairs).by_own_judge or ()) == 2
    people = pairs.with_columns(annotator=pl.lit("ann"))
    findings = audit_biases(people)
    assert findings.by_own_judge is None
    assert "by_own_judge" not in findings.to_json()
    assert audit_self_preference(people.with_columns(extra=pl.lit(None, pl.String))) == ()
    # Others who judged other pairs are no comparison.
    (share,) = audit_self_preference(pairs.filter(pl.col("annotator") == "X"))
    assert share.pairs == 20
