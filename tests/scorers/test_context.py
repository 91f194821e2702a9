from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from scipy.stats import fisher_exact

from curate.scorers.context import ContextScorer
from curate.steps.context import Context
from tests.helpers import pairs_of, turn


def simulate_votes(questions: int, turning: float, flips: float, votes: int = 8, seed: int = 0):  # type: ignore[no-untyped-def]
    """Votes on each question's two answers under two system prompts; some preferences turn."""
    rng = np.random.default_rng(seed)
    rows, systems, truth = [], [], []
    for q in range(questions):
        turns = rng.random() < turning
        for place in ("be brief", "be thorough"):
            first = place == "be brief" or not turns
            for person in range(votes):
                wins = first ^ (rng.random() < flips)
                c, r = (f"a{q}", f"b{q}") if wins else (f"b{q}", f"a{q}")
                rows.append(
                    {"prompt": f"q{q}", "chosen": c, "rejected": r, "annotator": f"w{person}"}
                    | {"extra": json.dumps({"place": place})}
                )
                systems.append(place)
                truth.append(turns)
    pairs = pairs_of(rows)
    prompt = [
        turn(s, "system") + p for s, p in zip(systems, pairs["prompt"].to_list(), strict=True)
    ]
    return pairs.with_columns(prompt=pl.Series(prompt, dtype=pairs.schema["prompt"])), np.array(
        truth
    )


def test_preferences_that_turn_are_told_from_flips() -> None:
    pairs, truth = simulate_votes(60, 0.5, 0.1)
    context = Context()
    scores = ContextScorer().score(pairs, context)
    assert (scores["turns"].to_numpy() == truth).mean() > 0.95
    sure = scores["p_value"].to_numpy() < 0.05
    assert sure[truth].mean() > 0.85
    assert sure[~truth].mean() < 0.05
    assert context.facts["context_decides"]
    assert context.facts["votes_that_differ_within"] == pytest.approx(0.18, abs=0.03)
    assert context.facts["votes_that_differ_across"] == pytest.approx(0.5, abs=0.06)


def test_noise_alone_is_no_context() -> None:
    pairs, _ = simulate_votes(80, 0.0, 0.3)
    context = Context()
    ContextScorer().score(pairs, context)
    assert not context.facts["context_decides"]
    assert context.facts["pairs_that_surely_turn"] < 0.1 * len(pairs)


def test_the_p_value_is_fishers() -> None:
    pairs, _ = simulate_votes(12, 0.5, 0.25, votes=5)
    scores = ContextScorer().score(pairs, Context())
    system = [p[0]["content"] for p in pairs["prompt"].to_list()]
    rows = pairs.with_columns(place=pl.Series(system)).to_dicts()
    for i in range(0, len(rows), 7):
        same = [r for r in rows if r["prompt"][1] == rows[i]["prompt"][1]]
        votes_in_context = [
            r["chosen"] == rows[i]["chosen"] for r in same if r["place"] == rows[i]["place"]
        ]
        votes_elsewhere = [
            r["chosen"] == rows[i]["chosen"] for r in same if r["place"] != rows[i]["place"]
        ]
        table = [
            [sum(votes_in_context), len(votes_in_context) - sum(votes_in_context)],
            [sum(votes_elsewhere), len(votes_elsewhere) - sum(votes_elsewhere)],
        ]
        tails = [fisher_exact(table, side).pvalue for side in ("less", "greater")]
        assert scores["p_value"][i] == pytest.approx(min(1.0, 2 * min(tails)))
        assert scores["here"][i] == pytest.approx(sum(votes_in_context) / len(votes_in_context))
        assert scores["elsewhere"][i] == pytest.approx(sum(votes_elsewhere) / len(votes_elsewhere))


def test_a_context_by_key_and_by_history() -> None:
    pairs, truth = simulate_votes(20, 0.5, 0.0)
    plain = pairs.with_columns(pl.col("prompt").list.tail(1))
    by_key = ContextScorer(by="extra", key="place").score(plain, Context())
    assert (by_key["turns"].to_numpy() == truth).all()
    by_history = ContextScorer(by="history").score(pairs, Context())
    assert by_history["turns"].to_list() == by_key["turns"].to_list()
    with pytest.raises(ValueError, match="go together"):
        ContextScorer(by="extra")


def test_one_context_says_so() -> None:
    pairs, _ = simulate_votes(5, 0.0, 0.0)
    scores = ContextScorer().score(pairs.filter(pl.col("extra").str.contains("brief")), Context())
    assert scores["status"].unique().to_list() == ["one context"]
    assert scores["turns"].null_count() == len(scores)
