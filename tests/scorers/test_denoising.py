"""noise_score, label_em, holder and confident_learning on labels whose truth is known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from curate.scorers.confident_learning import ConfidentLearning, label_quality
from curate.scorers.label_em import LabelEM
from curate.scorers.noise_score import NoiseScore
from curate.scorers.research.holder import Holder
from tests.helpers import simulate


@pytest.mark.slow
def test_noise_score_is_near_the_best_possible_ranking() -> None:
    sim = simulate(2000, flips=0.2)
    scores = NoiseScore().score(sim.pairs, sim.context)
    best = roc_auc_score(sim.flipped, -sim.margin)
    assert roc_auc_score(sim.flipped, scores["score"].to_numpy()) > best - 0.01
    assert scores["score"].is_between(0, 1).all()
    assert sim.context.facts["calibration"]["accuracy"] > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_label_em_finds_the_rate_and_a_calibrated_posterior(rate: float) -> None:
    sim = simulate(4000, flips=rate, seed=1)
    scores = LabelEM().score(sim.pairs, sim.context)
    noise = sim.context.facts["noise"]
    assert noise["low"] <= rate <= noise["high"] <= rate + 0.25
    wrong = 1.0 - scores["posterior"].to_numpy()
    assert wrong.mean() == pytest.approx(sim.flipped.mean(), abs=0.04)
    sure = wrong > 0.8
    assert sim.flipped[sure].mean() == pytest.approx(wrong[sure].mean(), abs=0.1)


@pytest.mark.slow
def test_label_em_tells_annotators_apart() -> None:
    careful, careless = simulate(3000, flips=0.05, seed=1), simulate(3000, flips=0.4, seed=1)
    annotator = np.arange(3000) % 2
    flipped = np.where(annotator == 0, careful.flipped, careless.flipped)
    # Both share features and clean labels; each takes the flips of one of them.
    features = careful.context.features.flipped(careful.flipped ^ flipped)
    names = pl.Series(np.where(annotator == 0, "careful", "careless"))
    pairs = careful.pairs.with_columns(annotator=names)
    context = careful.context.for_pairs(pairs, features)
    LabelEM().score(pairs, context)
    reliability = context.facts["fitted_reliability"]
    assert reliability["careful"] > 0.88
    assert reliability["careless"] < 0.72


@pytest.mark.slow
def test_ties_get_no_posterior() -> None:
    sim = simulate(200)
    pairs = sim.pairs.with_columns(is_tie=pl.int_range(pl.len()) == 0)
    scores = LabelEM().score(pairs, sim.context)
    assert scores["posterior"].is_nan().to_list()[:2] == [True, False]
    assert scores["status"][0] == "tie"


def test_holder_flags_the_share_that_it_estimates() -> None:
    sim = simulate(1000, flips=0.2)
    scores = Holder(repeats=2).score(sim.pairs, sim.context)
    rate = sim.context.facts["contamination"]
    assert int(scores["flag"].sum()) == pytest.approx(rate * 1000, abs=1)
    assert 0 < rate < 0.5
    assert sim.flipped[scores["flag"].to_numpy()].mean() > 0.5


def test_confident_learning_finds_flips_and_favours_no_slot() -> None:
    sim = simulate(1000, flips=0.2)
    scores = ConfidentLearning(repeats=2).score(sim.pairs, sim.context)
    assert roc_auc_score(sim.flipped, -scores["quality"].to_numpy()) > 0.7
    assert sim.flipped[scores["issue"].to_numpy()].mean() > 0.4
    p = np.array([0.9, 0.6, 0.2])
    quality, _ = label_quality(p, np.ones(3, dtype=bool))
    np.testing.assert_allclose(quality, p, atol=1e-9)
