"""Panels of judges: votes, agreement, biases, cost, and dear judges only where they are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from curate import CurateError, Pipeline
from curate.models.judge.panel import PanelVerdicts, measure_panel, panel_warnings, undecided_rows
from curate.scorers.judge_panel import JudgePanel
from curate.steps.context import Context
from curate.steps.permissions import Permissions
from curate.steps.registry import build_step
from tests.helpers import numbered_pairs
from tests.scorers.test_judge import prefers_good, shown_answers
from tests.stub_endpoint import stub_endpoint

Answer = Callable[[dict[str, Any]], str]


def prefers_longer(body: dict[str, Any]) -> str:
    first, second = shown_answers(body)
    return "[[A]]" if len(first) > len(second) else "[[B]]"


def by_model(answers: dict[str, Answer]) -> Answer:
    return lambda body: answers[body["model"]](body)


def score_by_panel(
    answers: dict[str, Answer], pairs: pl.DataFrame, judges: list[dict[str, Any]], **settings: Any
) -> tuple[pl.DataFrame, Context, list[str]]:
    context = Context()
    with stub_endpoint(by_model(answers)) as stub:
        entries = [{"base_url": stub.url, **judge} for judge in judges]
        scores = JudgePanel(judges=entries, **settings).score(pairs, context)
        questions = [body["model"] for body in stub.bodies]
    return scores, context, questions


def test_each_judge_votes_in_both_orders_and_has_columns_and_costs_of_its_own() -> None:
    answers: dict[str, Answer] = {"a/good-1": prefers_good, "first": lambda _: "[[A]]"}
    judges = [{"model": "a/good-1", "price_in": 1e6}, {"model": "first", "name": "The first"}]
    scores, context, questions = score_by_panel(answers, numbered_pairs(12), judges)
    assert scores.columns == [
        "margin",
        "votes",
        "verdict",
        "margin_good_1",
        "consistent_good_1",
        "status_good_1",
        "margin_The_first",
        "consistent_The_first",
        "status_The_first",
    ]
    assert scores["margin_good_1"].to_list() == [1.0] * 12
    assert scores["margin_The_first"].to_list() == [0.0] * 12
    assert scores["verdict"].to_list() == ["chosen"] * 12
    assert scores["margin"].to_list() == [0.5] * 12
    assert sorted(questions) == ["a/good-1"] * 24 + ["first"] * 24
    facts = context.facts
    assert facts["judges"]["good_1"]["endpoint"]["cost"] == 24 * 10
    assert facts["judges"]["The_first"]["endpoint"]["cost"] == 0
    first, second = facts["panel"]["judges"]
    assert (first["consistent"], second["consistent"], second["ties"]) == (1.0, 0.0, 1.0)
    assert any("The_first contradicts itself" in warning for warning in context.warnings)


def test_a_dear_judge_is_asked_only_where_the_others_name_no_winner() -> None:
    def sees_even(body: dict[str, Any]) -> str:
        first, _ = shown_answers(body)
        return prefers_good(body) if int(first.split()[-1]) % 2 == 0 else "[[C]]"

    answers: dict[str, Answer] = {"small": sees_even, "large": prefers_good}
    judges = [{"model": "small"}, {"model": "large", "ask": "undecided", "price_in": 1e6}]
    scores, context, questions = score_by_panel(answers, numbered_pairs(20), judges)
    assert questions.count("large") == 2 * 10
    assert scores["status_large"].to_list().count("not asked") == 10
    assert scores["verdict"].to_list() == ["chosen"] * 20
    assert context.facts["judges"]["large"]["asked"] == 10
    # A budget for the panel ends the questions of the dear judge.
    judges[1]["concurrency"] = 1
    scores, context, questions = score_by_panel(answers, numbered_pairs(20), judges, budget=45.0)
    assert questions.count("large") == 5
    assert scores["status_large"].to_list().count("budget") > 0
    assert scores.filter(pl.col("status_large") == "budget")["verdict"].to_list()[-1] == "tie"


def test_each_judge_is_evidence_of_its_own_in_the_posterior() -> None:
    answers: dict[str, Answer] = {"good": prefers_good, "long": prefers_longer}
    with stub_endpoint(by_model(answers)) as stub:
        judges = [{"model": name, "base_url": stub.url} for name in answers]
        config = {"scorers": [{"type": "judge_panel", "judges": judges}, {"type": "label_em"}]}
        rows = [
            {"prompt": f"{n}?", "chosen": f"good {n}", "rejected": f"bad, long answer {n}"}
            for n in range(60)
        ]
        result = Pipeline(config).run(rows)
    assert {"label_em.evidence_judge_panel_margin_good"} <= set(result.scores.columns)
    assert "label_em.evidence_judge_panel_margin" not in result.scores.columns


def simulated_panel(seed: int, by_own_model: bool = False) -> PanelVerdicts:
    """Two judges that are right in 80 %, and one that sides with length, or with its own models."""
    rng = np.random.default_rng(seed)
    longer, own_models = rng.choice([-1.0, 1.0], (2, 400))
    truth = np.where(rng.random(400) < 0.9, 1.0, -1.0)
    fair = np.where(rng.random((2, 400)) < 0.8, truth, -truth)
    trait = own_models if by_own_model else longer
    biased = np.where(rng.random(400) < 0.7, trait, truth)
    margins = np.stack([*fair, biased], axis=1)
    consistent = np.ones_like(margins)
    return PanelVerdicts(("x", "y", "z"), margins, consistent, longer, {"z": own_models})


@pytest.mark.parametrize("by_own_model", [False, True])
def test_a_bias_is_found_in_the_judge_that_has_it(by_own_model: bool) -> None:
    blamed = []
    for seed in range(40):
        quality = measure_panel(simulated_panel(seed, by_own_model))
        effects = [judge.own_model if by_own_model else judge.longer for judge in quality.judges]
        assert effects[2].share is not None
        assert effects[2].share > 0.75
        assert effects[2].other_share == pytest.approx(0.5, abs=0.08)
        blamed += [warning.split()[0] for warning in panel_warnings(quality)]
    assert blamed.count("z") == 40
    # One-sided at 2.5 % for each of the two others, and their comparison includes the biased one.
    assert len(blamed) - 40 <= 4


def test_agreement_depends_on_the_judges_and_not_on_which_answer_is_labelled() -> None:
    panel = simulated_panel(0)
    quality = measure_panel(panel)
    flips = np.random.default_rng(1).choice([-1.0, 1.0], (400, 1))
    turned = PanelVerdicts(panel.names, panel.margins * flips, panel.consistent, panel.longer, {})
    other = measure_panel(turned)
    assert quality.alpha == pytest.approx(other.alpha)
    assert [a.tau for a in quality.agreement] == pytest.approx([a.tau for a in other.agreement])
    # Two judges that are right in 80 % each agree in 68 % of the pairs: tau and alpha of 0.36.
    assert quality.agreement[0].tau == pytest.approx(0.36, abs=0.1)
    same = PanelVerdicts(("a", "b"), np.ones((50, 2)), np.ones((50, 2)), np.zeros(50), {})
    assert measure_panel(same).alpha == 1.0
    few = PanelVerdicts(("a", "b"), np.ones((5, 2)), np.ones((5, 2)), np.zeros(5), {})
    assert measure_panel(few).alpha is None


def test_pairs_without_a_winner_are_undecided() -> None:
    first, second = np.array([1.0, 0.0, np.nan, 1.0]), np.array([1.0, 0.0, -1.0, -1.0])
    assert undecided_rows([first]).tolist() == [1, 2]
    assert undecided_rows([first, second]).tolist() == [1, 3]


@pytest.mark.parametrize(
    ("judges", "expected"),
    [
        ([{"model": "a"}], "at least 2"),
        ([{"model": "a"}, {"model": "x/a"}], "one name"),
        ([{"model": "a", "ask": "undecided"}, {"model": "b"}], "first judge"),
        ([{"model": "a"}, {"model": "b", "mode": "rating"}], "compares two answers"),
        ([{"model": "a"}, {"model": "b", "template": "{{ nothing"}], "template"),
    ],
)
def test_a_panel_that_cannot_work_is_refused_when_it_is_planned(
    judges: list[dict[str, Any]], expected: str
) -> None:
    with pytest.raises(CurateError, match=expected):
        build_step(JudgePanel, {"judges": judges}, "scorers.0")


def test_the_keys_of_all_judges_need_a_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret")
    judges = [
        {"model": "a", "base_url": "http://localhost:1/v1"},
        {"model": "b", "base_url": "https://elsewhere.example/v1", "api_key_env": "MY_KEY"},
    ]
    panel = JudgePanel(judges=judges)
    with pytest.raises(CurateError, match=r"elsewhere\.example"):
        Permissions().check("judge_panel", panel)
    Permissions.for_hosts(["elsewhere.example"]).check("judge_panel", panel)
