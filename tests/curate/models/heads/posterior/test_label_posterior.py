"""The posterior of a run's pairs, with evidence and verdicts in the context."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from curate.models.heads.posterior.combined_evidence import combine_sources
from curate.models.heads.posterior.label_posterior import _average, _raised, label_posterior
from curate.models.heads.posterior.observations import Observations, unit_scale
from curate.scorers.label_em import LabelEM
from curate.scorers.noise_score import NoiseScore
from curate.steps.context import Context
from curate.steps.evidence import EvidenceSource, LabelEvidence
from tests.helpers import Simulation, simulate


def with_evidence(sim: Simulation, *sources: EvidenceSource, verdict_count: int = 0) -> Context:
    """The context with sources, and verdicts on the first pairs."""
    verdicts = np.where(sim.flipped, -1, 1).astype(np.int8)
    verdicts[verdict_count:] = 0
    evidence = LabelEvidence(sources, verdicts if verdict_count else None)
    return replace(sim.context.for_step(), evidence=evidence)


def judge(sim: Simulation, accuracy: float, seed: int = 1, **more: object) -> EvidenceSource:
    """A source that names the label before the flip with this probability."""
    rng = np.random.default_rng(seed)
    right = rng.random(len(sim.flipped)) < accuracy
    margin = np.where(right ^ sim.flipped, 1.0, -1.0)
    return EvidenceSource(f"judge {accuracy}", margin, **more)  # type: ignore[arg-type]


def auroc(sim: Simulation, context: Context) -> float:
    """How well flips are found among the pairs that nobody judged."""
    posterior = label_posterior(sim.pairs, context)
    unjudged = posterior.verdicts == 0
    return float(roc_auc_score(sim.flipped[unjudged], -posterior.right[unjudged]))


@pytest.fixture(scope="module")
def sim() -> Simulation:
    return simulate(500, flips=0.4, scale=2.0, seed=3)


def test_a_judge_helps_and_a_coin_does_no_harm(sim: Simulation) -> None:
    plain = auroc(sim, with_evidence(sim))
    assert auroc(sim, with_evidence(sim, judge(sim, 0.8))) > plain + 0.1
    assert auroc(sim, with_evidence(sim, judge(sim, 0.5))) > plain - 0.03


def test_a_judge_teaches_the_heads_and_a_coin_teaches_nothing(sim: Simulation) -> None:
    sources = (judge(sim, 0.8), judge(sim, 0.8, trust="strong"), judge(sim, 0.5))
    plain = label_posterior(sim.pairs, with_evidence(sim)).held_out.margin
    margins = [
        label_posterior(sim.pairs, with_evidence(sim, source)).held_out.margin for source in sources
    ]
    unknown, strong, coin = (roc_auc_score(sim.flipped, -margin) for margin in margins)
    alone = roc_auc_score(sim.flipped, -plain)
    assert strong > alone + 0.05
    assert unknown > alone + 0.02
    assert coin > alone - 0.03
    assert np.corrcoef(plain, margins[2])[0, 1] > 0.9


def test_judged_pairs_are_certain_and_teach_all_others(sim: Simulation) -> None:
    context = with_evidence(sim, verdict_count=100)
    scores = NoiseScore().score(sim.pairs, context)
    np.testing.assert_array_equal(scores["posterior"][:100], ~sim.flipped[:100])
    assert scores["status"].to_list() == ["judged"] * 100 + ["ok"] * 400
    assert context.facts["judged_pairs"] == 100
    assert context.facts["wrong_by_posterior"] == pytest.approx(0.4, abs=0.08)
    assert auroc(sim, context) > auroc(sim, with_evidence(sim))


def test_every_vote_has_a_posterior_and_its_terms(sim: Simulation) -> None:
    pairs = sim.pairs.with_columns(is_tie=pl.int_range(pl.len()) == 7)
    source = judge(sim, 0.75)
    source.margin[:20] = np.nan
    context = with_evidence(sim, source)
    scores = NoiseScore().score(pairs, context)
    assert scores["posterior"].is_nan().to_list() == [i == 7 for i in range(500)]
    assert scores["status"][7] == "tie"
    assert (scores["evidence"][:20] == 0).all()
    votes = scores.filter(pl.col("status") == "ok")
    logits = votes["heads"] + votes["votes"] + votes["evidence"] + context.facts["nats"]["label"]
    order = np.argsort(logits.to_numpy())
    assert np.corrcoef(np.arange(len(order)), votes["posterior"].to_numpy()[order])[0, 1] > 0.9


def test_sources_are_reported_with_their_accuracy(sim: Simulation) -> None:
    context = with_evidence(sim, judge(sim, 0.85), judge(sim, 0.2, 2), verdict_count=120)
    LabelEM().score(sim.pairs, context)
    good, bad = context.facts["evidence"]
    assert good["low"] < 0.85 < good["high"]
    assert bad["low"] < 0.2 < bad["high"]
    assert good["text"].startswith("judge 0.85: right in ")
    assert [text for text in context.warnings if "worse than chance" in text and "0.2" in text]


def test_what_is_shared_depends_on_the_values_of_evidence(sim: Simulation) -> None:
    first, second = judge(sim, 0.8), judge(sim, 0.8, seed=2)
    assert LabelEvidence((first,)).digest() != LabelEvidence((second,)).digest()
    strong = replace(first, trust="strong")
    assert LabelEvidence((first,)).digest() != LabelEvidence((strong,)).digest()
    posteriors = [label_posterior(sim.pairs, with_evidence(sim, s)) for s in (first, second, first)]
    assert posteriors[0] is posteriors[2]
    assert posteriors[0] is not posteriors[1]


def test_both_scorers_say_the_same_of_one_annotator(sim: Simulation) -> None:
    context = with_evidence(sim, judge(sim, 0.8))
    noise, em = (s().score(sim.pairs, context)["posterior"] for s in (NoiseScore, LabelEM))
    np.testing.assert_array_equal(noise, em)


def test_outliers_and_infinities_of_a_source_do_not_hide_its_other_margins(
    sim: Simulation,
) -> None:
    wild = judge(sim, 0.8)
    wild.margin[:3] = [1e9, np.inf, -np.inf]
    plain = auroc(sim, with_evidence(sim))
    assert auroc(sim, with_evidence(sim, wild)) > plain + 0.1


def test_judged_pairs_show_an_annotator_who_prefers_length() -> None:
    """Labels flipped half of the time where the rejected answer is longer: no rate tells them."""
    sim = simulate(600, flips=0.0, scale=1.5, seed=4)
    rng = np.random.default_rng(0)
    longer = rng.random(600) < 0.5
    flips = ~longer & (rng.random(600) < 0.6)
    features = sim.context.features.flipped(flips)
    # The chosen answer, once flipped, is the longer one.
    sizes = np.where(longer | flips, 30, 3)
    text = pl.Series([[{"role": "assistant", "content": "x" * n, "more": None}] for n in sizes])
    pairs = sim.pairs.with_columns(chosen=text.cast(sim.pairs["chosen"].dtype))
    gold_verdicts = np.where(flips, -1, 1).astype(np.int8)
    gold_verdicts[100:] = 0
    aurocs = []
    for verdicts in (None, gold_verdicts):
        evidence = LabelEvidence((), verdicts)
        context = replace(Context().for_pairs(pairs, features), evidence=evidence)
        posterior = label_posterior(pairs, context, style=False)
        aurocs.append(roc_auc_score(flips[100:], -posterior.right[100:]))
    assert aurocs[1] > aurocs[0] + 0.08
    assert posterior.rates is not None
    effect = posterior.rates.effects[0]
    assert effect.name == "right answer is longer"
    assert effect.with_trait < 0.1
    assert effect.without == pytest.approx(flips[~longer].mean(), abs=0.15)


def test_small_differences_are_not_what_heads_are_taught_near_a_rate_of_one_half() -> None:
    weights = np.ones(4)
    slight = _raised(np.array([0.04, 0.05, 0.06, 0.05]), weights)
    assert np.sqrt(np.mean(slight**2)) == pytest.approx(0.8, abs=0.01)
    assert np.ptp(slight) < 0.05
    clear = np.array([-0.2, 0.9, -0.2, 0.9])
    assert (np.sign(_raised(clear, weights)) == np.sign(clear)).all()
    np.testing.assert_array_equal(_raised(2.0 * clear, weights), 2.0 * clear)
    np.testing.assert_array_equal(_raised(np.zeros(4), weights), np.zeros(4))


@pytest.mark.parametrize(
    ("count", "reach", "follows_labels"), [(8000, 6.0, True), (300, 1.5, False)]
)
def test_thousands_of_labels_show_the_rate_better_than_fifty_verdicts(
    count: int, reach: float, follows_labels: bool
) -> None:
    """Fifty verdicts, of which too many are wrong by chance, beside labels flipped at .2."""
    rng = np.random.default_rng(0)
    x = rng.normal(0.0, reach, count)
    truth = rng.random(count) < 1.0 / (1.0 + np.exp(-x))
    flipped = rng.random(count) < 0.2
    margin = unit_scale(np.where(truth ^ flipped, x, -x))
    verdicts = np.zeros(count, dtype=np.int8)
    verdicts[np.flatnonzero(flipped)[:15]], verdicts[np.flatnonzero(~flipped)[:35]] = -1, 1
    labels = Observations.from_margins(margin, verdicts=verdicts)
    everything = np.ones(count, dtype=bool)
    combined = combine_sources((), everything, verdicts, labels.weight)
    rate = _average(labels, combined).rate
    assert (abs(rate - 0.2) < 0.03) == follows_labels
    assert 0.15 < rate < 0.35
