from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from scorers.mc_dropout import MCDropout, uncertainty
from tests.helpers import simulate


def test_statistics_equal_a_naive_loop() -> None:
    p = np.random.default_rng(0).random((5, 7))
    found = uncertainty(p)

    def entropy(q: float) -> float:
        return -q * math.log(q) - (1 - q) * math.log(1 - q)

    for i, row in enumerate(p):
        mean = sum(row) / 7
        assert found["probability"][i] == pytest.approx(mean)
        assert found["variance"][i] == pytest.approx(sum((q - mean) ** 2 for q in row) / 7)
        expected = entropy(mean) - sum(entropy(q) for q in row) / 7
        assert found["bald"][i] == pytest.approx(expected)


def test_bald_is_zero_where_passes_agree_and_ln_2_where_they_are_sure_and_opposed() -> None:
    found = uncertainty(np.array([[0.3, 0.3], [0.0, 1.0], [1.0, 1.0]]))
    np.testing.assert_allclose(found["bald"], [0.0, math.log(2), 0.0], atol=1e-12)


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
