"""Rows of one answer: their forms, and what is not taken for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate import CurateError, read_pairs
from tests.helpers import read_rows

TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
SHAREGPT = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
FORMS: dict[str, dict[str, Any]] = {
    "messages": {"messages": TALK},
    "messages as JSON": {"messages": json.dumps(TALK)},
    "sharegpt": {"conversations": SHAREGPT, "id": "x"},
    "system": {"messages": TALK, "system": "Be kind."},
    "alpaca": {"instruction": "Hi", "input": "", "output": "Hello"},
    "prompt and completion": {"prompt": "Hi", "completion": "Hello"},
    "messages in both": {"prompt": TALK[:1], "completion": TALK[1:]},
    "question and answer": {"question": "Hi", "answer": "Hello", "subject": "greetings"},
    "query and response": {"query": "Hi", "response": "Hello"},
    "input and output": {"input": "Hi", "output": "Hello"},
    "messages as input": {"input": TALK[:1], "output": "Hello", "system_prompt": ""},
    "an exchange": {"conversation": [{"input": "Hi", "output": "Hello"}]},
    "an exchange by speaker": {"conversation": [{"human": "Hi", "assistant": "Hello"}]},
    "turns in columns too": {"messages": TALK, "problem": "Hi", "solution": "Hello"},
}
OTHERS: dict[str, dict[str, Any]] = {
    "two answers": {"prompt": "Hi", "response": "Hello", "other_response": "Bye"},
    "a rejected answer under an odd name": {"prompt": "Hi", "response": "Hello", "worse": "Bye"},
    "sides": {"question": "Hi", "answer": "Hello", "text_a": "x", "text_b": "y"},
    "a long text that may be an answer": {"prompt": "Hi", "response": "Hello", "alt": "x" * 300},
    "a verdict": {"prompt": "Hi", "response": "Hello", "winner": "gpt"},
    "a question last": {"messages": TALK[:1]},
    "a verdict in a bool": {"prompt": "Hi", "response": "Hello", "is_safe": False},
    "a score of an answer": {"prompt": "Hi", "response": "Hello", "language_score": 0.5},
    "other attempts": {"question": "Hi", "answer": "Hello", "tries": ["x" * 300]},
    "lists of conversations": {"question": "Hi", "answer": [TALK, TALK]},
}
CONTEXTS: dict[str, dict[str, Any]] = {
    "Dolly": {"instruction": "Who?", "response": "Ann"},
    "a question": {"question": "Who?", "answer": "Ann"},
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_are_detected(form: str) -> None:
    pairs = read_pairs([FORMS[form]] * 3)
    assert pairs.format == "answers"
    (row, *_) = pairs.frame.iter_rows(named=True)
    turns = [turn["content"] for turn in row["prompt"]]
    assert turns == (["Be kind.", "Hi"] if form == "system" else ["Hi"])
    assert [turn["content"] for turn in row["chosen"]] == ["Hello"]
    assert row["rejected"] is None
    assert pairs.frame["pair_id"].n_unique() == 3


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("form", CONTEXTS)
def test_a_context_follows_the_question(tmp_path: Path, form: str, kind: str) -> None:
    contexts = ["Ann sings. " * 40, "", None]
    rows = [{**CONTEXTS[form], "context": context} for context in contexts]
    prompts = read_rows(tmp_path, rows, kind).frame["prompt"].list.first().struct.field("content")
    assert prompts.to_list() == [f"Who?\n{contexts[0]}", "Who?", "Who?"]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_exchanges_become_turns(tmp_path: Path, kind: str) -> None:
    talk = [{"input": "Hi", "output": "Hello"}, {"input": "And?", "output": "Bye"}]
    pairs = read_rows(tmp_path, [{"source": "s", "conversation": talk}] * 2, kind)
    turns = [(turn["role"], turn["content"]) for turn in pairs.frame["prompt"][0]]
    assert turns == [("user", "Hi"), ("assistant", "Hello"), ("user", "And?")]
    assert pairs.frame["chosen"][0][0]["content"] == "Bye"


def test_a_text_is_an_answer_without_a_prompt() -> None:
    pairs = read_pairs([{"text": "Once upon a time.", "url": "https://x.example"}])
    assert pairs.frame["prompt"].list.len().to_list() == [0]
    assert pairs.frame["chosen"][0][0]["content"] == "Once upon a time."
    assert pairs.notes == ()


@pytest.mark.parametrize("kind", OTHERS)
def test_rows_that_may_hold_more_are_not_taken_for_single_answers(kind: str) -> None:
    with pytest.raises(CurateError, match="was not recognised"):
        read_pairs([OTHERS[kind]] * 3)


def test_they_are_read_if_the_user_says_so() -> None:
    row = OTHERS["a long text that may be an answer"]
    with pytest.raises(CurateError, match='format="answers"'):
        read_pairs([row])
    pairs = read_pairs([row], format="answers")
    assert json.loads(pairs.frame["extra"][0])["alt"] == row["alt"]


def test_kind_answers_in_a_pipeline(tmp_path: Path) -> None:
    from curate import Pipeline

    row = OTHERS["a long text that may be an answer"]
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    source = {"path": str(tmp_path / "a.jsonl"), "kind": "answers"}
    result = Pipeline({"input": source, "store": None}).run()
    assert result.rows_kept == 1
    with pytest.raises(CurateError, match="expected answers or pairs"):
        Pipeline({"input": source | {"kind": "sft"}})


def test_a_row_without_an_answer_is_named() -> None:
    rows = [FORMS["alpaca"], {"instruction": "Hi", "input": "", "output": None}]
    pairs = read_pairs(rows, on_error="skip")
    assert len(pairs.frame) == 1
    assert pairs.rejected["reason"].to_list() == [
        "the chosen answer is missing; expected text or a list of messages"
    ]


def test_a_pair_in_a_set_of_pairs_still_needs_both_answers() -> None:
    rows = [{"prompt": "Hi", "chosen": "Hello", "rejected": r} for r in ("Bye", None)]
    pairs = read_pairs(rows, on_error="skip")
    assert pairs.rejected["reason"].str.contains("the rejected answer is missing").all()
    assert len(pairs.frame) == 1


def test_tools_stay_with_their_rows() -> None:
    tools = [{"type": "function", "function": {"name": "add"}}]
    pairs = read_pairs([{"messages": TALK, "tools": json.dumps(tools)}])
    assert json.loads(pairs.frame["tools"][0]) == tools
