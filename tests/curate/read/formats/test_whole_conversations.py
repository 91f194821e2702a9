"""Answers that are whole conversations beside a prompt, or objects around one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate import CurateError
from tests.helpers import read_rows, turn

KINDS = pytest.mark.parametrize("kind", ["jsonl", "parquet"])
HELLO, TALK, MORE = ("Hello", "user"), ("Hi.", "assistant"), ("Tell me more", "user")
SHARED = (HELLO, TALK, MORE)
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def conversation(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for text, role in turns]


def turns(*published: tuple[str, str]) -> list[dict[str, Any]]:
    return [message for text, role in published for message in turn(text, role)]


def row(prompt: Any, *shared: tuple[str, str]) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "chosen": conversation(*shared, ("good", "assistant")),
        "rejected": conversation(*shared, ("bad", "assistant")),
    }


@KINDS
@pytest.mark.parametrize(
    "prompt",
    ["Hello", "Tell me more", " Tell me more\n", conversation(HELLO), conversation(*SHARED)],
)
def test_what_both_conversations_share_is_the_prompt(
    tmp_path: Path, kind: str, prompt: Any
) -> None:
    frame = read_rows(tmp_path, [row(prompt, *SHARED)] * 2, kind).frame
    assert frame["prompt"][0].to_list() == turns(*SHARED)
    assert frame["chosen"][0].to_list() == turn("good")
    assert frame["rejected"][0].to_list() == turn("bad")


@pytest.mark.parametrize("prompt", ["Hello", "Tell me more"])
def test_a_system_text_stays_before_the_conversation(tmp_path: Path, prompt: str) -> None:
    system = ("Be brief.", "system")
    in_column = row(prompt, *SHARED) | {"system": "Be brief."}
    frame = read_rows(tmp_path, [in_column, row(prompt, system, *SHARED)]).frame
    assert frame["prompt"].to_list() == [turns(system, *SHARED)] * 2


def test_other_questions_of_the_user_stay_in_the_answers(tmp_path: Path) -> None:
    chosen = conversation(HELLO, TALK, ("one", "user"), ("good", "assistant"))
    rejected = conversation(HELLO, TALK, ("two", "user"), ("bad", "assistant"))
    pairs = read_rows(tmp_path, [{"prompt": "Hello", "chosen": chosen, "rejected": rejected}])
    assert pairs.frame["prompt"][0].to_list() == turns(HELLO)
    assert pairs.frame["chosen"][0].to_list() == turns(TALK, ("one", "user"), ("good", "assistant"))


def test_equal_conversations_keep_an_answer(tmp_path: Path) -> None:
    equal = row("Hello", *SHARED)
    frame = read_rows(tmp_path, [equal | {"rejected": equal["chosen"]}]).frame
    assert frame["prompt"][0].to_list() == turns(*SHARED)
    assert frame["chosen"][0].to_list() == frame["rejected"][0].to_list() == turn("good")


def test_a_prompt_that_no_turn_repeats_is_malformed(tmp_path: Path) -> None:
    rows = [row("Hello", *SHARED), row("Something else", *SHARED)]
    pairs = read_rows(tmp_path, rows, on_error="skip")
    assert pairs.rejected["row"].to_list() == [2]
    assert "a user turn that is not the prompt's" in pairs.rejected["reason"][0]


def as_object(text: str, key: str = "messages", **more: Any) -> dict[str, Any]:
    return {key: conversation(HELLO, (text, "assistant")), **more}


@KINDS
@pytest.mark.parametrize("key", ["messages", "conversations"])
@pytest.mark.parametrize("encode", [json.dumps, lambda value: value], ids=["text", "object"])
def test_objects_around_a_conversation_are_parsed(
    tmp_path: Path, kind: str, key: str, encode: Any
) -> None:
    rows = [
        {
            "chosen": encode(as_object("good", key, tools=TOOLS, origin="x")),
            "rejected": encode(as_object("bad", key, tools=TOOLS)),
        }
    ]
    frame = read_rows(tmp_path, rows * 2, kind).frame
    assert frame["prompt"][0].to_list() == turns(HELLO)
    assert frame["chosen"][0].to_list() == turn("good")
    assert json.loads(frame["tools"][0]) == TOOLS
    assert json.loads(frame["extra"][0]) == {"chosen_object": {"origin": "x"}}


@KINDS
def test_a_conversation_in_an_object_may_be_the_prompt(tmp_path: Path, kind: str) -> None:
    prompt = json.dumps({"messages": conversation(HELLO), "tools": TOOLS})
    rows = [{"prompt": prompt, "chosen": "good", "rejected": "bad"}] * 2
    frame = read_rows(tmp_path, rows, kind).frame
    assert frame["prompt"][0].to_list() == turns(HELLO)
    assert json.loads(frame["tools"][0]) == TOOLS


@pytest.mark.parametrize(
    ("chosen", "rejected", "structure"),
    [
        ('{"text": "yes it is"}', '{"text": "yes it was"}', "a JSON text"),
        ('Q: why?\n\nA: {"a": [1, 2]}', 'Q: why?\n\nA: {"a": [1, 3]}', "a JSON text"),
        ('Why? <a href="x y z">', 'Why? <a href="x y w">', "a tag"),
        (
            "Why? <think> so it is</think> good",
            "Why? <think> so it was</think> bad",
            "the tag <think>",
        ),
    ],
)
def test_a_shared_beginning_that_ends_inside_something_is_no_prompt(
    tmp_path: Path, chosen: str, rejected: str, structure: str
) -> None:
    with pytest.raises(CurateError, match=f"begin with ends in {structure};"):
        read_rows(tmp_path, [{"chosen": chosen, "rejected": rejected}])


@pytest.mark.parametrize(
    ("prompt", "chosen", "rejected"),
    [
        ("Mend this: {a: [1 please.", " good", " bad"),
        ('Is [1] or {"a": 1} shorter?', " first", " second"),
        ("Is 1 < 2 and why?", " it > 1", " no > 1"),
        ("What does <b> do?", " bold", " nothing"),
    ],
)
def test_brackets_of_a_question_are_no_hindrance(
    tmp_path: Path, prompt: str, chosen: str, rejected: str
) -> None:
    frame = read_rows(tmp_path, [{"chosen": prompt + chosen, "rejected": prompt + rejected}]).frame
    assert frame["prompt"][0].to_list() == turn(prompt, "user")


def completion(text: str, rank: int) -> dict[str, Any]:
    return {"rank": rank, "completion": conversation((text, "assistant"))}


@KINDS
def test_three_ranked_completions_of_nemo_rl_become_a_pair(tmp_path: Path, kind: str) -> None:
    rows = [
        {
            "context": conversation((f"q{i}", "user")),
            "completions": [completion("mid", 1), completion("best", 0), completion("worst", 2)][
                : 3 - i
            ],
        }
        for i in range(2)
    ]
    frame = read_rows(tmp_path, rows, kind).frame
    assert frame["chosen"].to_list() == [turn("best"), turn("best")]
    assert frame["rejected"].to_list() == [turn("worst"), turn("mid")]
    every = read_rows(tmp_path, rows, kind, ranking={"pairs": "all"})
    assert len(every) == 3 + 1


@KINDS
@pytest.mark.parametrize(("user", "assistant"), [("Human", "Assistant"), ("USER", "GPT")])
def test_speakers_in_capitals_are_known(
    tmp_path: Path, kind: str, user: str, assistant: str
) -> None:
    rows = [
        {
            side: conversation(("q", user), (text, assistant))
            for side, text in (("chosen", "good"), ("rejected", "bad"))
        }
    ]
    pairs = read_rows(tmp_path, rows * 2, kind)
    assert pairs.frame["prompt"][0].to_list() == turn("q", "user")
    assert pairs.frame["chosen"][0].to_list() == turn("good")
    assert not any("speakers" in note for note in pairs.notes)
