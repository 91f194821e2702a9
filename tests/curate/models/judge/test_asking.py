"""Questions to an endpoint: once each, bounded, within a budget, nothing lost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from curate import CurateError
from curate.models.judge.asking import FACTS, ask_endpoint
from curate.models.judge.endpoint import BUDGET, OK, EndpointParams, Messages
from curate.models.judge.naming import name_features
from curate.models.judge.templates import compile_question
from curate.steps.context import Context
from curate.store.store import Store
from tests.stub_endpoint import Answer, Stub, stub_endpoint


def questions(count: int) -> list[Messages]:
    return [[{"role": "user", "content": f"question {i}"}] for i in range(count)]


def echo(body: dict[str, Any]) -> str:
    return "re: " + body["messages"][-1]["content"]


def params(stub: Stub, **settings: Any) -> EndpointParams:
    return EndpointParams(model="m", base_url=stub.url, **settings)


def test_replies_keep_the_order_and_equal_questions_are_asked_once() -> None:
    all_questions = [*questions(20), *questions(5)]
    with stub_endpoint(echo) as stub:
        context = Context()
        replies = ask_endpoint(all_questions, context, params(stub))
    assert [r.text for r in replies] == [f"re: {q[0]['content']}" for q in all_questions]
    assert len(stub.bodies) == 20
    assert context.facts[FACTS]["requests"] == 20
    assert context.facts[FACTS]["tokens_in"] == 200


def test_the_request_is_what_the_settings_say() -> None:
    with stub_endpoint(echo) as stub:
        custom_params = params(stub, temperature=0.5, reply_tokens=None, request={"top_k": 3})
        ask_endpoint(questions(1), Context(), custom_params)
    body = stub.bodies[0]
    assert (body["temperature"], body["top_k"]) == (0.5, 3)
    assert "max_tokens" not in body


def test_no_more_than_the_bound_are_under_way() -> None:
    with stub_endpoint(echo, pause=0.02) as stub:
        ask_endpoint(questions(12), Context(), params(stub, concurrency=3))
    assert 1 < stub.most_at_once <= 3


def test_a_rerun_asks_nothing_twice(tmp_path: Path) -> None:
    with stub_endpoint(echo) as stub:
        first = ask_endpoint(questions(8), Context(store=Store(tmp_path)), params(stub))
        again = Context(store=Store(tmp_path))
        assert ask_endpoint(questions(8), again, params(stub)) == first
        assert len(stub.bodies) == 8
        assert again.facts[FACTS] == {"replies_from_store": 8}
        ask_endpoint(questions(8), again, params(stub, temperature=1.0))
        assert len(stub.bodies) == 16


def test_a_busy_server_is_asked_again() -> None:
    def busy_twice(body: dict[str, Any]) -> str | int:
        return (429, 503)[len(stub.bodies) - 1] if len(stub.bodies) < 3 else echo(body)

    with stub_endpoint(busy_twice) as stub:
        replies = ask_endpoint(questions(1), Context(), params(stub))
        assert [r.status for r in replies] == [OK]
        assert len(stub.bodies) == 3


def test_the_budget_is_a_ceiling_and_a_rerun_goes_on(tmp_path: Path) -> None:
    context = Context(store=Store(tmp_path))
    with stub_endpoint(echo) as stub:
        few = params(stub, concurrency=1, budget_tokens=45)
        replies = ask_endpoint(questions(10), context, few)
        assert [r.status for r in replies] == [OK] * 3 + [BUDGET] * 7
        assert context.facts[FACTS]["unasked"] == 7
        assert "7 not asked" in context.warnings[0]
        # Prices: 10 tokens in and 5 out cost 0.00002 a question.
        price = params(stub, concurrency=1, price_in=1.0, price_out=2.0, budget_cost=0.00004)
        stored_context = Context(store=Store(tmp_path))
        replies = ask_endpoint(questions(10), stored_context, price)
        assert stored_context.facts[FACTS]["cost"] == pytest.approx(0.00004)
        assert [r.status for r in replies] == [OK] * 5 + [BUDGET] * 5


def test_the_budget_holds_over_batches() -> None:
    with stub_endpoint(echo) as stub:
        context, few = Context(), params(stub, concurrency=1, budget_tokens=30)
        ask_endpoint(questions(2), context, few)
        later = ask_endpoint([[{"role": "user", "content": "later"}]], context, few)
    assert later[0].status == BUDGET


@pytest.mark.slow
def test_a_failing_server_stops_the_run_and_loses_nothing(tmp_path: Path) -> None:
    def dies(body: dict[str, Any]) -> str | int:
        return echo(body) if len(stub.bodies) <= 5 or alive else 500

    alive = False
    with stub_endpoint(dies) as stub:
        custom_params = params(stub, concurrency=1, retries=0)
        with pytest.raises(CurateError, match="10 questions in a row failed"):
            ask_endpoint(questions(40), Context(store=Store(tmp_path)), custom_params)
        alive, before = True, len(stub.bodies)
        assert before == 15
        replies = ask_endpoint(questions(40), Context(store=Store(tmp_path)), custom_params)
        assert len(stub.bodies) - before == 35
    assert [r.status for r in replies] == [OK] * 40


@pytest.mark.slow
def test_replies_under_way_are_kept_when_a_run_stops(tmp_path: Path) -> None:
    """A refused key stops the run while others are being answered."""
    import time

    def answer(body: dict[str, Any]) -> str | int:
        return 401 if body["messages"][-1]["content"] == "question 0" else echo(body)

    with stub_endpoint(answer, pause=0.2) as stub:
        context = Context(store=Store(tmp_path))
        custom_params = params(stub, concurrency=4)
        with pytest.raises(CurateError):
            ask_endpoint(questions(4), context, custom_params)
        time.sleep(0.3)
        request_count = len(stub.bodies)
        again = Context(store=Store(tmp_path))
        replies = ask_endpoint(questions(4)[1:], again, custom_params)
    assert [r.text for r in replies] == [f"re: question {i}" for i in (1, 2, 3)]
    assert len(stub.bodies) == request_count == 4


def test_one_refused_question_does_not_stop_the_others() -> None:
    def too_long(body: dict[str, Any]) -> str | int:
        return 400 if "question 3" in body["messages"][0]["content"] else echo(body)

    context = Context()
    with stub_endpoint(too_long) as stub:
        replies = ask_endpoint(questions(6), context, params(stub))
    assert [r.status == OK for r in replies] == [True] * 3 + [False] + [True] * 2
    assert "stub says 400" in replies[3].status
    assert "1 failed" in context.warnings[0]


@pytest.mark.parametrize("code", [401, 403, 404])
def test_a_wrong_key_or_model_is_the_users_to_mend(code: int) -> None:
    refuse: Answer = lambda body: code  # noqa: E731
    with stub_endpoint(refuse) as stub, pytest.raises(CurateError, match="refuses") as caught:
        ask_endpoint(questions(3), Context(), params(stub))
    assert "OPENAI_API_KEY" in str(caught.value)


def test_no_endpoint_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(CurateError, match="no endpoint is named"):
        ask_endpoint(questions(1), Context(), EndpointParams(model="m"))


def test_tokens_are_estimated_where_the_server_does_not_count() -> None:
    context = Context()
    with stub_endpoint(lambda body: "a" * 40, usage=False) as stub:
        ask_endpoint([[{"role": "user", "content": "b" * 80}]], context, params(stub))
    facts = context.facts[FACTS]
    assert (facts["tokens_in"], facts["tokens_out"]) == (20, 10)
    assert facts["replies_with_estimated_tokens"] == 1


def test_names_of_features() -> None:
    def call_it(body: dict[str, Any]) -> str:
        text = body["messages"][0]["content"]
        assert re.search(r"<high_\w+>\nlists", text)
        assert re.search(r"<low_\w+>\nprose", text)
        return '"Bulleted lists."\nBecause.'

    with stub_endpoint(call_it) as stub:
        names = name_features([(["lists"], ["prose"])], Context(), params(stub))
    assert names == ["Bulleted lists"]


def test_templates_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="unknown variables") as caught:
        compile_question("{{ answer_c }}", ("answer_a", "answer_b"), "here")
    assert "answer_c" in str(caught.value)
    with pytest.raises(CurateError, match="template is wrong"):
        compile_question("{% if %}", (), "here")
    with pytest.raises(CurateError, match="cannot be read"):
        compile_question(str(tmp_path / "none.j2"), (), "here")
    (tmp_path / "own.j2").write_text("Hello {{ name }}")
    assert (
        compile_question(str(tmp_path / "own.j2"), ("name",), "here").render(name="x") == "Hello x"
    )
