"""Alpaca's columns in the forms in which they are published: history, lists of outputs, KTO."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate import CurateError
from curate.read.pairs import Pairs
from tests.helpers import read_rows, turn

ROW = {"instruction": "And now?", "chosen": "good", "rejected": "bad"}
ASKED = [*turn("q1", "user"), *turn("a1"), *turn("And now?", "user")]
PAIRS = [["q1", "a1"]]
KINDS = ["jsonl", "parquet"]
SAID = (
    [{"role": "user", "content": "q1"}, {"role": "assistant", "content": "a1"}],
    [{"from": "human", "value": "q1"}, {"from": "gpt", "value": "a1"}],
)


def prompt_of(pairs: Pairs) -> Any:
    return pairs.frame["prompt"].to_list()[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("history", [PAIRS, json.dumps(PAIRS), *SAID, *map(json.dumps, SAID)])
def test_every_form_of_a_history_is_the_first_turns(
    history: Any, kind: str, tmp_path: Path
) -> None:
    assert prompt_of(read_rows(tmp_path, [{**ROW, "history": history}], kind)) == ASKED


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("history", [None, [], ""])
def test_no_history_is_none(history: Any, kind: str, tmp_path: Path) -> None:
    rows = [{**ROW, "history": history}]
    assert prompt_of(read_rows(tmp_path, rows, kind)) == turn("And now?", "user")


def test_a_turn_without_an_answer_yet_is_a_question(tmp_path: Path) -> None:
    for history in ([["q1", None]], [["q1"]]):
        prompt = prompt_of(read_rows(tmp_path, [{**ROW, "history": history}]))
        assert prompt == [*turn("q1", "user"), *turn("And now?", "user")]


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        ("none", "'history' holds str; expected a list of [question, answer], or of messages"),
        ([["q", "a", "x"]], "'history' holds list as turn 1"),
        ([["q1", "a1"], "q2"], "'history' holds str as turn 2"),
        ([[1, 2]], "'history' holds no texts in turn 1"),
        ({"q": "a"}, "'history' holds dict"),
    ],
)
def test_what_is_no_history_is_an_error_and_no_text(
    history: Any, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(CurateError) as caught:
        read_rows(tmp_path, [ROW, {**ROW, "history": history}])
    assert reason in str(caught.value)
    assert "row 2" in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("as_text", [False, True])
def test_two_outputs_are_chosen_and_rejected(as_text: bool, kind: str, tmp_path: Path) -> None:
    both = ["good", "bad"]
    row = {"instruction": "And", "input": "now?", "history": PAIRS, "system": "Be kind."}
    row |= {"output": json.dumps(both) if as_text else both}
    pairs = read_rows(tmp_path, [row], kind)
    assert pairs.format == "alpaca_outputs"
    prompt = [*turn("Be kind.", "system"), *ASKED[:2], *turn("And\nnow?", "user")]
    assert prompt_of(pairs) == prompt
    assert pairs.frame["chosen"].to_list() == [turn("good")]
    assert pairs.frame["rejected"].to_list() == [turn("bad")]


def test_one_output_among_pairs_of_them_is_an_error_of_its_row(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"instruction": str(i), "output": ["a", "b"]} for i in range(20)]
    with pytest.raises(CurateError) as caught:
        read_rows(tmp_path, [*rows, {"instruction": "x", "output": ["a"]}])
    assert "row 21: 'output' is no list of two texts" in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("label", ["label", "kto_tag"])
@pytest.mark.parametrize("form", ["alpaca", "messages", "conversations", "completion"])
def test_judged_answers_in_each_form(form: str, label: str, kind: str, tmp_path: Path) -> None:
    def row(answer: str, good: bool) -> dict[str, Any]:
        result = {
            "alpaca": {"instruction": "And now?", "output": answer, "history": PAIRS},
            "completion": {"prompt": "And now?", "completion": answer},
            "messages": {"messages": [*SAID[0], {"role": "user", "content": "And now?"}]},
            "conversations": {"conversations": [*SAID[1], {"from": "human", "value": "And now?"}]},
        }[form]
        if form == "messages":
            result["messages"].append({"role": "assistant", "content": answer})  # type: ignore[attr-defined]
        if form == "conversations":
            result["conversations"].append({"from": "gpt", "value": answer})  # type: ignore[attr-defined]
        return {**result, label: good}

    pairs = read_rows(tmp_path, [row("bad", False), row("good", True)], kind)
    assert pairs.format == "unpaired"
    assert prompt_of(pairs) == (ASKED if form != "completion" else ASKED[2:])
    assert pairs.frame["chosen"].to_list() == [turn("good")]
    assert pairs.frame["rejected"].to_list() == [turn("bad")]


def test_a_judged_answer_with_a_wrong_history_is_listed(tmp_path: Path) -> None:
    row = {"instruction": "And now?", "output": "a", "kto_tag": True}
    other = {**row, "output": "b", "kto_tag": False}
    rows = [row, other, {**row, "history": "none"}]
    pairs = read_rows(tmp_path, rows, on_error="skip")
    assert len(pairs) == 1
    assert pairs.rejected.select("row", "reason").rows() == [
        (3, "'history' holds str; expected a list of [question, answer], or of messages")
    ]


def test_a_judged_conversation_ends_with_the_answer(tmp_path: Path) -> None:
    messages = [*SAID[0], {"role": "user", "content": "Thanks!"}]
    rows = [{"messages": messages, "label": label} for label in (True, False)]
    result = [
        {"messages": [SAID[0][0], {"role": "assistant", "content": text}], "label": text == "good"}
        for text in ("good", "bad")
    ]
    pairs = read_rows(tmp_path, [*rows, *result], on_error="skip")
    assert len(pairs) == 1
    reason = "the last turn is by 'user'; expected the answer that was judged"
    assert pairs.rejected.select("row", "reason").rows() == [(1, reason), (2, reason)]
