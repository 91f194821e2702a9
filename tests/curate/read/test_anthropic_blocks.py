"""Calls, results and refusals among the parts of a content are read as what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate.data.messages import decode_message
from tests.helpers import read_rows

CALL = {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1, "b": None}}
SAID = {"type": "text", "text": "I add."}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "3"}]}
OTHER = {"type": "tool_result", "tool_use_id": "t2", "content": "4", "is_error": True}


def _row(chosen: Any, prompt: Any = "1 + 2?") -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "chosen": chosen if isinstance(chosen, list) else [chosen],
        "rejected": [{"role": "assistant", "content": "5"}],
    }


def _read(folder: Path, row: dict[str, Any]) -> dict[str, Any]:
    pairs = read_rows(folder, [row])
    assert len(pairs) == 1
    return pairs.frame.row(0, named=True)


def test_a_call_and_its_result_are_those_of_the_pair_table(tmp_path: Path) -> None:
    chosen = [
        {"role": "assistant", "content": [SAID, CALL]},
        {"role": "user", "content": [RESULT]},
        {"role": "assistant", "content": "3"},
    ]
    answer = _read(tmp_path, _row(chosen))["chosen"]
    assert [turn["role"] for turn in answer] == ["assistant", "tool", "assistant"]
    # A scorer sees the call and the result as it sees those of other APIs.
    call = '<tool_call>\n{"name":"add","arguments":{"a":1,"b":null}}\n</tool_call>'
    assert [turn["content"] for turn in answer] == [f"I add.\n{call}", "3", "3"]
    published = decode_message(answer[0])
    assert published["content"] == "I add."
    function = published["tool_calls"][0]["function"]
    assert json.loads(function["arguments"]) == {"a": 1, "b": None}
    assert published["tool_calls"][0]["id"] == decode_message(answer[1])["tool_call_id"] == "t1"


def test_two_answers_that_differ_in_a_call_alone_are_not_equal(tmp_path: Path) -> None:
    row = _row({"role": "assistant", "content": [CALL]})
    row["rejected"] = [{"role": "assistant", "content": [{**CALL, "input": {"a": 2}}]}]
    pair = _read(tmp_path, row)
    assert pair["chosen"][0]["content"] != pair["rejected"][0]["content"]


def test_results_come_before_what_the_user_says_beside_them(tmp_path: Path) -> None:
    row = _row({"role": "assistant", "content": "7"}, [RESULT, OTHER, {**SAID, "text": "Sum?"}])
    prompt = _read(tmp_path, row)["prompt"]
    assert [(turn["role"], turn["content"]) for turn in prompt] == [
        ("tool", "3"),
        ("tool", "4"),
        ("user", "Sum?"),
    ]
    assert decode_message(prompt[1])["is_error"] is True


def test_several_parts_beside_a_call_stay_parts(tmp_path: Path) -> None:
    trace = {"type": "thinking", "thinking": "easy"}
    answer = _read(tmp_path, _row({"role": "assistant", "content": [trace, SAID, CALL]}))["chosen"]
    assert answer[0]["content"].startswith("<think>\neasy\n</think>\n\nI add.\n<tool_call>")


@pytest.mark.parametrize("content", [{"sum": 3}, ["3"], [{"sum": 3}], 3])
def test_a_result_that_is_no_text_is_its_json(tmp_path: Path, content: Any) -> None:
    row = _row({"role": "assistant", "content": "3"}, [{**RESULT, "content": content}])
    assert json.loads(_read(tmp_path, row)["prompt"][0]["content"]) == content


@pytest.mark.parametrize("content", [None, [{"type": "refusal", "refusal": "I do not say it."}]])
def test_a_refusal_is_what_the_model_said(tmp_path: Path, content: Any) -> None:
    refusal = {"refusal": "I do not say it."} if content is None else {}
    answer = {"role": "assistant", "content": content, **refusal}
    assert _read(tmp_path, _row(answer))["chosen"][0]["content"] == "I do not say it."


def test_parquet_says_the_same_as_json_lines(tmp_path: Path) -> None:
    row = _row([{"role": "assistant", "content": [{**CALL, "input": {"a": 1}}]}])
    row["rejected"] = [{"role": "assistant", "content": [{**SAID, "id": None, "name": None}]}]
    pair = read_rows(tmp_path, [row], "parquet").frame.row(0, named=True)
    call = '<tool_call>\n{"name":"add","arguments":{"a":1}}\n</tool_call>'
    assert pair["chosen"][0]["content"] == call
    assert pair["rejected"][0]["content"] == "I add."


def test_a_part_without_a_name_stays_as_it_is(tmp_path: Path) -> None:
    part = {"type": "tool_use", "input": {}}
    answer = _read(tmp_path, _row({"role": "assistant", "content": [part]}))["chosen"]
    assert decode_message(answer[0])["content"] == [part]
