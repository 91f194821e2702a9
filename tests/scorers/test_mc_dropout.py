from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from curate.models.heads.dropout_uncertainty import label_uncertainty, normal_uncertainty
from curate.models.heads.modules import HeadSpec, LinearHeads
from curate.models.heads.out_of_fold import train_out_of_fold
from curate.scorers.mc_dropout import (
    MCDropout,
    _uncertainty_by_moments,
    _uncertainty_by_sampling,
    pass_masks,
)
from curate.scoring.heads import LocalAnswerFeatures, answer_features
from tests.helpers import simulate


def test_statistics_equal_a_naive_loop() -> None:
    p = np.random.default_rng(0).random((5, 7))
    statistics = label_uncertainty(p)

    def entropy(q: float) -> float:
        return -q * math.log(q) - (1 - q) * math.log(1 - q)

    for i, row in enumerate(p):
        mean = sum(row) / 7
        assert statistics["probability"][i] == pytest.approx(mean)
        assert statistics["variance"][i] == pytest.approx(sum((q - mean) ** 2 for q in row) / 7)
        expected = entropy(mean) - sum(entropy(q) for q in row) / 7
        assert statistics["bald"][i] == pytest.approx(expected)


def test_bald_is_zero_where_passes_agree_and_ln_2_where_they_are_sure_and_opposed() -> None:
    statistics = label_uncertainty(np.array([[0.3, 0.3], [0.0, 1.0], [1.0, 1.0]]))
    np.testing.assert_allclose(statistics["bald"], [0.0, math.log(2), 0.0], atol=1e-12)


def test_flipped_labels_are_outvoted() -> None:
    sim = simulate(900, flips=0.2)
    scores = MCDropout(passes=20).score(sim.pairs, sim.context)
    assert roc_auc_score(sim.flipped, -scores["vote"].to_numpy()) > 0.75
    assert scores["bald"].is_between(0, math.log(2)).all()
    assert scores["variance"].is_between(0, 0.25).all()
    assert scores["gate"].to_list() == (scores["vote"] > 0.5).to_list()
    assert sim.flipped[~scores["gate"].to_numpy()].mean() > 2 * sim.flipped.mean()
    assert scores["easy_weight"].mean() == pytest.approx(1.0)
    assert scores["hard_weight"].mean() == pytest.approx(1.0)
    # A draw by these odds is a random one, which the run must say.
    spread = sim.context.facts["easy_weight_spread"]
    assert spread == pytest.approx(scores["easy_weight"].std(), abs=1e-6)
    assert spread < 0.01


def test_more_dropout_means_more_variance() -> None:
    low, high = (
        MCDropout(dropout=rate).score(s.pairs, s.context)["variance"].mean()
        for rate, s in ((0.05, simulate(300)), (0.5, simulate(300)))
    )
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert high > 2 * low


@pytest.mark.slow
def test_mlp_heads_drop_hidden_units() -> None:
    sim = simulate(300)
    scores = MCDropout(head="mlp", hidden=16).score(sim.pairs, sim.context)
    assert scores["variance"].min() > 0


def test_moments_are_those_of_very_many_passes() -> None:
    """A linear head is compared with 20,000 masks; a margin over 64 features is nearly normal."""
    sim = simulate(120, dim=64, scale=3.0)
    trained = train_out_of_fold(sim.pairs, sim.context, HeadSpec(l2=1.0, dropout=0.2), 1, 3)
    heads = trained.heads
    assert isinstance(heads, LinearHeads)
    by_moments = _uncertainty_by_moments(trained, heads, 0.2, sim.context.scratch)
    answers = LocalAnswerFeatures(*answer_features(sim.pairs, sim.context, "embedding"))
    masks = pass_masks(20_000, heads.units(), 0.2, seed=1)
    by_sampling = _uncertainty_by_sampling(trained, answers, masks)
    for name, off in (("probability", 0.01), ("variance", 0.003), ("bald", 0.006), ("vote", 0.05)):
        assert np.abs(by_moments[name].to_numpy() - by_sampling[name]).max() < off, name
        assert np.corrcoef(by_moments[name].to_numpy(), by_sampling[name])[0, 1] > 0.99, name


def test_quadrature_equals_a_fine_sum() -> None:
    mean, spread = np.array([-3.0, 0.0, 0.4, 2.0]), np.array([0.1, 2.0, 0.7, 1.0])
    statistics = normal_uncertainty(mean, spread)
    grid = np.linspace(-10, 10, 200_001)
    weights = np.exp(-0.5 * grid**2) / np.exp(-0.5 * grid**2).sum()
    expected = label_uncertainty(expit(mean[:, None] + spread[:, None] * grid), weights)
    for name, values in expected.items():
        np.testing.assert_allclose(statistics[name], values, atol=2e-4)


def test_few_features_are_dropped_by_passes() -> None:
    sim = simulate(200, dim=8)
    one, two = (MCDropout(passes=n).score(sim.pairs, simulate(200).context) for n in (5, 50))
    assert not np.allclose(one["variance"], two["variance"], rtol=1e-3)
    wide = simulate(200, dim=40)
    one, two = (
        MCDropout(passes=n).score(wide.pairs, simulate(200, dim=40).context) for n in (5, 50)
    )
    assert one.equals(two)
