from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from curate.models.heads.noise.learnability import NOTHING_LEARNT
from curate.scorers.reward_margin import RewardMargin
from tests.helpers import context_of, numbered_pairs, pairs_of, simulate


@pytest.mark.slow
@pytest.mark.parametrize(("head", "least"), [("linear", 0.9), ("mlp", 0.8)])
def test_flipped_labels_have_small_margins(head: str, least: float) -> None:
    sim = simulate(900, flips=0.2)
    scores = RewardMargin(head=head, repeats=2).score(sim.pairs, sim.context)
    ideal = roc_auc_score(sim.flipped, -sim.margin)
    auroc = roc_auc_score(sim.flipped, -scores["margin"].to_numpy())
    assert auroc > least * ideal


def test_probability_agreement_and_spread_fit_the_margins() -> None:
    sim = simulate(300)
    scores = RewardMargin(repeats=4).score(sim.pairs, sim.context)
    assert scores["probability"].is_between(0, 1).all()
    assert set(scores["agreement"].unique()) <= {0.0, 0.25, 0.5, 0.75, 1.0}
    sure = scores.filter(scores["margin"].abs() > 3 * scores["spread"])
    assert ((sure["margin"] > 0) == (sure["agreement"] == 1.0)).all()


def test_ties_and_identical_answers_have_a_status() -> None:
    rows = [
        {"prompt": f"p{i}", "chosen": f"a{i}", "rejected": f"b{i}", "is_tie": i == 0}
        for i in range(20)
    ]
    rows[1]["rejected"] = rows[1]["chosen"]
    pairs = pairs_of(rows)
    context = context_of(pairs, {}, 4)
    scores = RewardMargin(repeats=1).score(pairs, context)
    # Random vectors teach nothing, which is a warning and no status.
    assert scores["status"].to_list()[:3] == ["tie", "identical answers", "ok"]
    assert [NOTHING_LEARNT in warning for warning in context.warnings] == [True]
    assert scores["margin"][1] == 0.0
    assert scores["agreement"][1] == 0.5


def test_a_single_prompt_cannot_be_split() -> None:
    pairs = numbered_pairs(10, prompts=1)
    scores = RewardMargin().score(pairs, context_of(pairs, {}, 4))
    assert scores["status"].unique().to_list() == ["too few prompts"]
    assert scores["margin"].null_count() == 10


def test_the_same_seed_gives_the_same_scores_and_another_seed_others() -> None:
    one, two, three = (simulate(200) for _ in range(3))
    three.context = replace(three.context, seed=1)
    scores = [
        RewardMargin().score(s.pairs, s.context)["margin"].to_numpy() for s in (one, two, three)
    ]
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_probabilities_are_calibrated_to_the_labels() -> None:
    sim = simulate(2000, flips=0.0)
    scores = RewardMargin().score(sim.pairs, sim.context)
    assert sim.context.facts["calibration"]["error"] < 0.04
    probability = scores["probability"].to_numpy()
    confidence = np.maximum(probability, 1.0 - probability)
    sure = confidence > 0.7
    assert (probability[sure] > 0.5).mean() == pytest.approx(confidence[sure].mean(), abs=0.06)
