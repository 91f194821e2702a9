"""A judge that rates one answer at a time: single answers, and pairs without an order."""

from __future__ import annotations

import re
from typing import Any

import polars as pl
import pytest

from curate import CurateError, Pipeline, score
from curate.models.judge.verdicts import begins_with_verdict, parse_rating
from curate.scorers.judge import Judge
from curate.steps.context import Context
from tests.helpers import numbered_pairs
from tests.stub_endpoint import stub_endpoint

ANSWERS = [{"prompt": f"q{i}", "completion": ("poor", "good")[i % 2]} for i in range(6)]
RATINGS = {
    "Fine.\n[[7]]": 7.0,
    "Fine.\n[[7]]/10": 7.0,
    "Rating: [[7.5]] out of 10": 7.5,
    "It cites [[2]].\n**Rating: [[4]]**": 4.0,
    "<think>[[1]]</think>[[9]]": 9.0,
    "[[3]] or rather [[4]], by its tone": 3.0,
    "between [[3]] and [[4]] I cannot say": None,
    "[[11]]": None,
    "good": None,
}


def rate(body: dict[str, Any]) -> str:
    text = body["messages"][-1]["content"]
    answer = re.search(r"<answer_\w+>\n(.*?)\n</answer_\w+>", text, re.DOTALL)
    assert answer is not None
    return f"As said. [[{9 if answer[1].startswith('good') else 2}]]"


@pytest.mark.parametrize(("reply", "rating"), RATINGS.items())
def test_ratings_of_replies(reply: str, rating: float | None) -> None:
    assert parse_rating(reply) == rating


def test_a_cut_reply_counts_if_it_begins_with_the_rating() -> None:
    assert begins_with_verdict("[[7]] since", "rating")
    assert not begins_with_verdict("Since [[7]]", "rating")
    assert not begins_with_verdict("[[7]] since", "rating", (1.0, 5.0))


def test_single_answers_are_asked_for_once_a_row() -> None:
    with stub_endpoint(rate) as stub:
        scores = score(ANSWERS, "judge", store=None, model="m", base_url=stub.url, mode="rating")
        assert len(stub.bodies) == len(ANSWERS)
    assert scores.frame["judge.chosen"].to_list() == [2.0, 9.0] * 3
    assert set(scores.frame["judge.status"]) == {"ok"}
    assert scores.frame["judge.margin"].null_count() == len(ANSWERS)


def test_a_filter_reads_the_ratings_of_single_answers() -> None:
    with stub_endpoint(rate) as stub:
        judge = {"type": "judge", "model": "m", "base_url": stub.url, "mode": "rating"}
        worst = {"type": "threshold", "column": "judge.chosen", "min": 5}
        result = Pipeline({"scorers": [judge], "filters": [worst], "store": None}).run(ANSWERS)
    assert (result.rows_kept, result.rows_dropped) == (3, 3)


def test_each_answer_of_a_pair_is_rated_by_itself() -> None:
    context = Context()
    with stub_endpoint(rate) as stub:
        judge = Judge(model="m", base_url=stub.url, mode="rating")
        scores = judge.score(numbered_pairs(2), context)
        assert len(stub.bodies) == 4
    row = {"margin": 7.0, "chosen": 9.0, "rejected": 2.0, "verdict": "chosen", "consistent": None}
    expected = row | {"rationale": "As said.", "status": "ok"}
    assert scores.to_dicts() == [expected] * 2
    assert context.facts["verdicts"] == {"chosen": 2}


@pytest.mark.parametrize(("scale", "range_text"), [((0, 10), "0 (use"), ((1, 5), "1 (use")])
def test_the_question_names_the_scale(scale: tuple[float, float], range_text: str) -> None:
    for mode in ("rating", "score"):
        reply = "[[5]]" if mode == "rating" else "[[5]] [[5]]"
        with stub_endpoint(lambda _, reply=reply: reply) as stub:
            judge = Judge(model="m", base_url=stub.url, mode=mode, scale=scale)
            judge.score(numbered_pairs(1), Context())
            question = stub.bodies[0]["messages"][-1]["content"]
        assert f"from {range_text}less) to {scale[1]} (excellent)" in question


def test_an_unreadable_rating_is_a_status() -> None:
    with stub_endpoint(lambda _: "I like it.") as stub:
        judge = Judge(model="m", base_url=stub.url, mode="rating")
        scores = judge.score(numbered_pairs(1), Context())
    assert scores["status"].to_list() == ["unreadable reply"]
    assert scores.select(pl.exclude("status", "rationale")).null_count().sum_horizontal()[0] == 5


def test_a_comparison_of_single_answers_is_refused_with_the_mode_that_works() -> None:
    with pytest.raises(CurateError, match=r"judge \(mode: rating\)"):
        score(ANSWERS, "judge", store=None, model="m", base_url="http://localhost:1/v1")


def test_the_template_of_a_rating_shows_one_answer() -> None:
    Judge(model="m", mode="rating", template="{{ prompt }} {{ answer }} {{ rubric }}")
    with pytest.raises(CurateError, match="unknown variables"):
        Judge(model="m", mode="rating", template="{{ answer_a }}")
