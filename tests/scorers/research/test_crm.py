from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from curate import Context, CurateError
from curate.scorers.research.crm import AMBIGUOUS, CRM, NOISY, ROBUST, classify_losses
from curate.steps.registry import build_step
from tests.helpers import pairs_of, simulate


@pytest.mark.slow
def test_loss_mean_finds_flips_and_auto_finds_the_rate() -> None:
    sim = simulate(3000, flips=0.25)
    scores = CRM(epochs=6).score(sim.pairs, sim.context)
    assert roc_auc_score(sim.flipped, scores["loss_mean"].to_numpy()) > 0.8
    # Nothing tells the rate of single votes: what is assumed is said.
    assert sim.context.facts["share_dropped_by_peers"] == 0.2
    assert "noise_rate" not in sim.context.facts
    assert any("assuming 20%" in w for w in sim.context.warnings)
    assert len(sim.context.facts["overlap"]) == 6
    noisy = scores["kind"] == NOISY
    assert noisy.mean() == pytest.approx(0.2, abs=1e-3)
    assert sim.flipped[noisy.to_numpy()].mean() > 0.5


def test_votes_on_the_same_pairs_tell_the_rate() -> None:
    sim = simulate(300, flips=0.0)
    rng = np.random.default_rng(0)
    votes = [
        sim.pairs.with_columns(annotator=pl.lit(f"p{i}"), pair_id=pl.col("pair_id") + f"-{i}")
        for i in range(3)
    ]
    wrong = [rng.random(300) < 0.15 for _ in votes]
    pairs = pl.concat(
        frame.with_columns(
            chosen=pl.when(pl.Series(w)).then("rejected").otherwise("chosen"),
            rejected=pl.when(pl.Series(w)).then("chosen").otherwise("rejected"),
        )
        for frame, w in zip(votes, wrong, strict=True)
    )
    features = sim.context.features
    thrice = features.take(np.tile(np.arange(300), 3)).flipped(np.concatenate(wrong))
    context = Context().for_pairs(pairs, thrice)
    CRM(epochs=2).score(pairs, context)
    assert context.facts["share_dropped_by_peers"] == pytest.approx(0.15, abs=0.03)
    assert not any("assuming" in w for w in context.warnings)


def test_a_given_rate_is_taken() -> None:
    sim = simulate(200)
    CRM(noise_rate=0.3, epochs=3).score(sim.pairs, sim.context)
    assert sim.context.facts["share_dropped_by_peers"] == 0.3
    assert sim.context.facts["noise_rate_given"]
    with pytest.raises(CurateError, match="wrong value"):
        build_step(CRM, {"noise_rate": 0.7}, "scorers.0")


@pytest.mark.slow
def test_statistics_of_the_losses() -> None:
    sim = simulate(300)
    scores = CRM(epochs=5).score(sim.pairs, sim.context)
    assert (scores["loss_mean"] > 0).all()
    assert (scores["loss_variance"] >= 0).all()
    assert (scores["disagreement"] >= 0).all()
    assert scores["selected"].is_between(0, 1).all()


@pytest.mark.slow
def test_ties_are_scored_but_have_no_class() -> None:
    sim = simulate(100)
    pairs = sim.pairs.with_columns(is_tie=pl.int_range(pl.len()) == 0)
    scores = CRM(epochs=3).score(pairs, sim.context)
    assert (scores["kind"][0], scores["status"][0], scores["selected"][0]) == (None, "tie", None)
    assert scores["loss_mean"].null_count() == 0


def test_classes_by_rate_mean_and_variance() -> None:
    mean = np.array([0.1, 0.2, 0.3, 2.0, 0.1, 3.0])
    variance = np.array([0.0, 0.9, 0.1, 0.1, 0.1, 0.0])
    votes = np.array([True] * 5 + [False])
    assert classify_losses(mean, variance, 0.2, votes) == [
        ROBUST,
        AMBIGUOUS,
        ROBUST,
        NOISY,
        ROBUST,
        None,
    ]
    assert math.log(2) < 2.0


def test_two_pairs_are_too_few() -> None:
    pairs = pairs_of([{"prompt": "p", "chosen": "a", "rejected": "b"}] * 2)
    scores = CRM().score(pairs, simulate(10).context)
    assert scores["status"].to_list() == ["too few prompts"] * 2
