"""Implicit feedback: reader, propensities, weights, and hidden positives by label_em."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from curate import CurateError, read_pairs
from curate.filters.reweight import Reweight
from curate.models.people.propensities import feedback_propensity
from curate.scorers.label_em import LabelEM
from curate.scorers.propensity import Propensity
from curate.steps.context import Context
from tests.helpers import context_of, simulate, write_jsonl


def showing(
    user: str, prompt: str, text: str, vote: int | None, **extra_fields: Any
) -> dict[str, Any]:
    return {"user": user, "prompt": prompt, "response": text, "vote": vote, **extra_fields}


def test_votes_become_pairs_that_say_what_the_other_answer_was(tmp_path: Path) -> None:
    rows = [
        showing("u", "p", "liked", 1),
        showing("u", "p", "unseen", None),
        showing("u", "p", "disliked", -1),
        showing("v", "p", "liked", 0),
        showing("v", "p", "unseen", 0),
    ]
    path = str(write_jsonl(tmp_path / "f.jsonl", rows))
    best = read_pairs(path, on_error="skip")
    assert best.format == "implicit_feedback"
    assert [r["rejected"][0]["content"] for r in best.frame.to_dicts()] == ["disliked"]
    every = read_pairs(path, on_error="skip", ranking={"pairs": "all"})
    statuses = {
        r["rejected"][0]["content"]: json.loads(r["extra"])["negative"]
        for r in every.frame.to_dicts()
    }
    assert statuses == {"disliked": "down", "unseen": "unvoted"}
    assert every.frame["annotator"].unique().to_list() == ["u"]
    assert every.rejected["row"].to_list() == [4, 5]


def test_items_without_a_prompt_are_compared_for_each_user(tmp_path: Path) -> None:
    rows = [
        {"user": user, "item": item, "vote": vote}
        for user, item, vote in (("u", "a", 1), ("u", "b", 0), ("v", "a", 0), ("v", "c", 1))
    ]
    pairs = read_pairs(str(write_jsonl(tmp_path / "f.jsonl", rows)))
    assert pairs.format == "implicit_feedback"
    sides = pairs.frame.select("annotator", "prompt", "chosen", "rejected").rows()
    texts = [(who, p, c[0]["content"], r[0]["content"]) for who, p, c, r in sides]
    assert texts == [("u", [], "a", "b"), ("v", [], "c", "a")]


def feedback(
    users: int, answers_per_user: int, seed: int = 0
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Half of the users vote often, half seldom; the first place gets more votes."""
    rng = np.random.default_rng(seed)
    rows, truth = [], []
    for user in range(users):
        for n in range(answers_per_user):
            for place, view_probability in enumerate((1.0, 0.4)):
                p = (0.8 if user % 2 else 0.2) * view_probability
                vote = int(rng.random() < p) * int(rng.choice([1, -1]))
                rows.append(
                    showing(f"u{user}", f"p{n}", f"{user} {n} {place}", vote, position=place)
                )
                truth.append(p)
    return rows, np.array(truth)


def test_propensities_are_those_of_users_and_places(tmp_path: Path) -> None:
    rows, truth = feedback(40, 60)
    pairs = read_pairs(
        str(write_jsonl(tmp_path / "f.jsonl", rows)), on_error="skip", ranking={"pairs": "all"}
    ).frame
    scores = Propensity().score(pairs, Context())
    by_text = {r["response"]: p for r, p in zip(rows, truth, strict=True)}
    for side in ("chosen", "rejected"):
        texts = pairs[side].list.first().struct.field("content")
        expected = np.array([by_text[t] for t in texts])
        estimated = scores[side].to_numpy()
        assert np.corrcoef(estimated, expected)[0, 1] > 0.95
        assert np.abs(estimated - expected).mean() < 0.06


def test_items_have_the_propensity_of_their_popularity() -> None:
    """Arithmetic of arXiv 1909.03601 and of its code, on 300 users and 60 items."""
    rng = np.random.default_rng(0)
    exposure = np.linspace(1.0, 0.2, 60) ** 2
    liked = (rng.random((300, 60)) < exposure) & (rng.random((300, 60)) < 0.5)
    user, item = np.divmod(np.arange(300 * 60), 60)
    showings = pl.DataFrame({"user": user, "item": item, "for": liked.ravel()})
    showings = showings.with_columns(position=pl.lit(None, pl.String))
    estimate = showings.select(feedback_propensity("user", "position", "item", "for", "for"))
    votes = [sum(bool(row[n]) for row in liked) for n in range(60)]
    expected = [(count / max(votes)) ** 0.5 for count in votes]
    np.testing.assert_allclose(estimate.to_series().to_numpy(), np.tile(expected, 300))
    # A vote counts by how seldom its item was shown.
    weights = 1.0 / estimate.to_series().to_numpy()
    for part in (item >= 40, item < 20):
        rows = part & liked.ravel()
        truth = 1.0 / np.sqrt(exposure[item[rows]])
        assert weights[rows].mean() == pytest.approx(truth.mean(), rel=0.07)
    mean = {rare: weights[liked.ravel() & ((item >= 40) == rare)].mean() for rare in (True, False)}
    assert mean[True] > 2.0 * mean[False]


def test_the_reader_estimates_by_item_and_place(tmp_path: Path) -> None:
    rows = [
        {"user": user, "item": item, "vote": vote}
        for user, item, vote in (
            ("u", "hit", 1), ("u", "rare", 1), ("u", "none", 0), ("v", "hit", 1), ("v", "none", 0),
            ("w", "hit", 1), ("w", "none", -1), ("x", "hit", 1), ("x", "none", 0),
        )
    ]  # fmt: skip
    path = str(write_jsonl(tmp_path / "f.jsonl", rows))
    pairs = read_pairs(path, on_error="skip", ranking={"pairs": "all"}).frame
    scores = Propensity().score(pairs, Context())
    items = pairs["chosen"].list.first().struct.field("content")
    chosen = dict(zip(items, scores["chosen"], strict=True))
    assert chosen == {"hit": 1.0, "rare": 0.5}
    assert scores["rejected"].unique().to_list() == [0.001]


def test_weights_are_clipped_and_of_mean_one() -> None:
    extra = [
        json.dumps(
            {"attributes": [{"propensity": p}, {"propensity": 0.3}], "pair_of_answers": [0, 1]}
        )
        for p in (0.5, 0.01, 0.1)
    ] + [None]
    pairs = simulate(8).pairs[:4].with_columns(extra=pl.Series(extra, dtype=pl.String))
    context = Context()
    scores = Propensity(clip=0.05).score(pairs, context)
    raw = np.array([2.0, 20.0, 10.0])
    np.testing.assert_allclose(scores["weight"].to_numpy()[:3], raw / raw.mean())
    assert scores["status"].to_list() == ["ok"] * 3 + ["no propensity"]
    assert context.facts["clipped"] == 1
    expected = raw.sum() ** 2 / (raw**2).sum() / 3
    assert context.facts["effective_share"] == pytest.approx(expected, abs=1e-4)
    frame = scores.select(pl.col("weight").alias("propensity.weight"))
    reweighted = Reweight(column="propensity.weight", ceiling=20).apply(frame, Context())
    assert reweighted.added is not None
    assert reweighted.added["weight"].to_list()[1] == pytest.approx(20 / raw.mean())


@pytest.mark.slow
def test_unvoted_answers_hide_positives_and_down_votes_do_not() -> None:
    """The liked one of two answers gets a vote; where feedback is lost the other one has it."""
    sim = simulate(4000, flips=0.0, scale=6.0, seed=3)
    rng = np.random.default_rng(0)
    unvoted = rng.random(4000) < 0.5
    hidden = unvoted & (rng.random(4000) < 0.3)
    features = sim.context.features.flipped(hidden)
    kind = np.where(unvoted, "unvoted", "down")
    pairs = sim.pairs.with_columns(
        extra=pl.Series([json.dumps({"negative": k}) for k in kind.tolist()])
    )
    context = sim.context.for_pairs(pairs, features)
    scores = LabelEM(rates_by="negative").score(pairs, context)
    reliability = context.facts["fitted_reliability"]
    assert reliability["down"] > 0.93
    assert reliability["unvoted"] == pytest.approx(0.7, abs=0.07)
    positive = 1.0 - scores["posterior"].to_numpy()[unvoted]
    assert roc_auc_score(hidden[unvoted], positive) > 0.85
    sure = positive > 0.8
    assert hidden[unvoted][sure].mean() > 0.75


@pytest.mark.slow
def test_a_judge_that_favours_a_slot_is_seen() -> None:
    sim = simulate(4000, flips=0.0, scale=6.0, seed=4)
    rng = np.random.default_rng(1)
    true_first = rng.random(4000) < 0.5
    lost = rng.random(4000) < np.where(true_first, 0.05, 0.3)
    slot = np.where(true_first ^ lost, 1, 2)
    pairs = sim.pairs.with_columns(
        extra=pl.Series([json.dumps({"chosen_slot": int(s)}) for s in slot])
    )
    context = sim.context.for_pairs(pairs, sim.context.features.flipped(lost))
    scores = LabelEM(rates_by="slot").score(pairs, context)
    facts = context.facts
    assert facts["fitted_first_slot_lost"] == pytest.approx(0.05, abs=0.05)
    assert facts["fitted_second_slot_lost"] == pytest.approx(0.3, abs=0.06)
    assert roc_auc_score(lost, 1.0 - scores["posterior"].to_numpy()) > 0.9


@pytest.mark.slow
def test_a_key_that_is_not_there_is_said() -> None:
    sim = simulate(100)
    with pytest.raises(CurateError, match="no pair has this key"):
        LabelEM(rates_by="nothing").score(sim.pairs, sim.context)
    with pytest.raises(CurateError, match="has the slot"):
        LabelEM(rates_by="slot").score(sim.pairs, context_of(sim.pairs, {}, 4))
