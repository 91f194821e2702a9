"""Where heads learn nothing, learned scores say so and tell no rate; filters act all the same."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from curate.models.heads.noise.learnability import NOTHING_LEARNT
from curate.pipeline.config import parse_config
from curate.pipeline.filtering import Filtered, run_filters
from curate.pipeline.plan import make_plan
from curate.pipeline.scoring import PairScorer
from curate.steps.registry import build_step, scorer_class
from tests.helpers import Simulation, simulate

LEARNED = {
    "reward_margin": "reward_margin.margin",
    "mc_dropout": "mc_dropout.probability",
    "crm": "crm.loss_mean",
    "donod": "donod.nod",
    "committee": "committee.margin",
    "confident_learning": "confident_learning.quality",
    "uncertainty": "uncertainty.aleatoric",
    "holder": "holder.probability",
    "general_preference": "general_preference.margin",
    "disagreement": "disagreement.posterior",
}


def random_labels(seed: int = 5) -> Simulation:
    """Half of the labels are flipped: nothing can be learnt."""
    return simulate(200, flips=0.5, seed=seed)


def filtered(sim: Simulation, scorer: str, steps: list[dict[str, Any]]) -> Filtered:
    plan = make_plan(parse_config({"scorers": [{"type": scorer}], "filters": steps}))
    scores = [PairScorer(sim.pairs, sim.context).score(step)[0] for step in plan.scorers]
    return run_filters(plan, pl.concat([sim.pairs, *scores], how="horizontal"), sim.context)


@pytest.mark.parametrize("name", LEARNED)
def test_random_labels_are_said_to_teach_nothing(name: str) -> None:
    sim = random_labels()
    step_context = sim.context.for_step()
    build_step(scorer_class(name), {}, name).score(sim.pairs, step_context)
    assert not step_context.facts["learnt"]["ok"]
    assert any(NOTHING_LEARNT in text for text in step_context.warnings)
    assert step_context.facts.get("noise_rate") is None


def test_rates_of_slots_are_no_estimate_where_labels_teach_nothing() -> None:
    sim = random_labels()
    slot = [json.dumps({"chosen_slot": 1 + i % 2}) for i in range(len(sim.pairs))]
    step_context = sim.context.for_step()
    scores = scorer_class("label_em")(rates_by="slot").score(
        sim.pairs.with_columns(extra=pl.Series(slot)), step_context
    )
    assert scores["posterior"].is_between(0.0, 1.0).all()
    assert set(scores["status"]) == {"ok"}
    assert step_context.facts["noise_rate"] is None
    assert step_context.facts["noise"]["text"].startswith("no estimate: ")


@pytest.mark.parametrize("name", ["noise_score", "label_em"])
def test_random_labels_have_a_posterior_that_hardly_tells_them_apart(name: str) -> None:
    sim = random_labels()
    step_context = sim.context.for_step()
    scores = build_step(scorer_class(name), {}, name).score(sim.pairs, step_context)
    assert set(scores["status"]) == {"ok"}
    weights = 2.0 * scores["posterior"].to_numpy() - 1.0
    information = weights.sum() ** 2 / (len(weights) * np.square(weights).sum())
    assert information > 0.8
    assert not step_context.facts["learnt"]["ok"]
    assert any("may be chance" in text for text in step_context.warnings)


@pytest.mark.parametrize("name", LEARNED)
def test_labels_that_teach_are_ok(name: str) -> None:
    sim = simulate(400, flips=0.1, seed=5)
    step_context = sim.context.for_step()
    scores = build_step(scorer_class(name), {}, name).score(sim.pairs, step_context)
    assert set(scores["status"]) == {"ok"}
    assert step_context.facts["learnt"]["ok"]


@pytest.mark.parametrize("name", ["reward_margin", "mc_dropout", "donod"])
@pytest.mark.parametrize("kind", ["quantile", "threshold", "topsis", "expression", "flip_lowest"])
def test_filters_act_as_asked_on_scores_of_heads_that_learn_nothing(name: str, kind: str) -> None:
    column = LEARNED[name]
    sim = random_labels()
    plan = make_plan(parse_config({"scorers": [{"type": name}]}))
    scores, record = PairScorer(sim.pairs, sim.context).score(plan.scorers[0])
    middle = scores[column].median()
    steps: dict[str, dict[str, Any]] = {
        "quantile": {"column": column, "keep": 0.5},
        "threshold": {"column": column, "min": middle},
        "topsis": {"criteria": {column: "max"}, "keep": 0.5},
        "expression": {"keep": f"`{column}` >= {middle}"},
        "flip_lowest": {"column": column, "share": 0.5},
    }
    config = {"scorers": [{"type": name}], "filters": [{"type": kind} | steps[kind]]}
    frame = pl.concat([sim.pairs, scores], how="horizontal")
    outcome = run_filters(make_plan(parse_config(config)), frame, sim.context, [record])
    remaining = outcome.kept_pairs.frame()
    flipped = remaining.join(sim.pairs, on="pair_id").select(
        pl.col("chosen") != pl.col("chosen_right")
    )
    acted = len(sim.pairs) - len(remaining) + int(flipped.to_series().sum())
    assert acted == 100
    (report,) = outcome.reports
    assert any(f"'{kind}' acts on scores of {name}" in text for text in report.warnings)
    assert any("curate route" in text for text in report.warnings)


def test_where_heads_learn_no_filter_warns_of_chance() -> None:
    sim = simulate(400, flips=0.1, seed=5)
    drop = {"type": "quantile", "column": "reward_margin.margin", "keep": 0.5}
    plan = make_plan(parse_config({"scorers": [{"type": "reward_margin"}], "filters": [drop]}))
    scores, record = PairScorer(sim.pairs, sim.context).score(plan.scorers[0])
    frame = pl.concat([sim.pairs, scores], how="horizontal")
    outcome = run_filters(plan, frame, sim.context, [record])
    assert not any("acts on scores" in text for text in outcome.reports[0].warnings)


def test_weights_are_nearly_equal_where_nothing_is_known() -> None:
    weights = filtered(random_labels(), "label_em", [{"type": "reweight"}]).kept_pairs.frame()
    assert weights["reweight.weight"].std() < 0.15
