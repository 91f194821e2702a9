"""Readings that are well-formed and doubtful all the same are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curate import read_pairs
from tests.helpers import write_jsonl


def notes(folder: Path, rows: list[dict[str, Any]]) -> tuple[str, ...]:
    return read_pairs(str(write_jsonl(folder / "a.jsonl", rows))).notes


def rows(prompt: str, count: int = 10, **more: Any) -> list[dict[str, Any]]:
    return [
        {"prompt": f"{prompt} {i}", "chosen": "a", "rejected": "b", **more} for i in range(count)
    ]


@pytest.mark.parametrize(
    "marked",
    ["[INST] Name a prime. [/INST]", "<|im_start|>user\nName a prime.", "Human: hi\nAssistant:"],
)
def test_marks_of_a_template_are_told(tmp_path: Path, marked: str) -> None:
    result = notes(tmp_path, rows(marked, 4) + rows("Name a beast.", 16))
    assert len(result) == 1
    assert result[0].startswith("4 of 20 prompts contain chat-template tokens")


def test_a_few_prompts_may_be_about_templates(tmp_path: Path) -> None:
    assert notes(tmp_path, rows("What does [INST] mean?", 1) + rows("Name a beast.", 120)) == ()


@pytest.mark.parametrize(
    "names", [("score_chosen", "score_rejected"), ("chosen_rating", "rejected_rating")]
)
def test_labels_against_their_own_scores_are_told(tmp_path: Path, names: tuple[str, str]) -> None:
    chosen, rejected = names
    good = rows("good", 5, **{chosen: 4, rejected: 2.5})
    unknown = rows("unknown", 2, **{chosen: None, rejected: 3})
    against = rows("against", 3, **{chosen: 1, rejected: "3"})
    result = notes(tmp_path, good + unknown + against)
    assert result[1:] == (
        f"'{chosen}' is less than '{rejected}' in 3 of 8 pairs: these labels contradict their own "
        "scores",
    )
    assert notes(tmp_path, good + unknown)[1:] == ()


def test_prompts_that_stand_in_both_answers_are_told(tmp_path: Path) -> None:
    prompt = "Question: name a prime.\nAnswer:"
    repeated = {"prompt": prompt, "chosen": f"{prompt} 7", "rejected": f"{prompt} 8"}
    one = {**repeated, "rejected": "8"}
    short = {"prompt": "Hello!", "chosen": "Hello! You?", "rejected": "Hello!"}
    result = notes(tmp_path, [repeated, repeated, one, short])
    assert result == (
        "in 2 of 4 pairs both answers begin with the text of the prompt: a trainer would see it "
        "twice; remove it from the answers",
    )


def test_answers_that_end_with_a_question_of_the_user_are_told(tmp_path: Path) -> None:
    prompt = [{"role": "user", "content": "p"}]
    answer = [{"role": "assistant", "content": "a"}]
    row = {"prompt": prompt, "chosen": [*answer, *prompt], "rejected": answer}
    result = notes(tmp_path, [row, {**row, "chosen": answer}])
    assert result == (
        "in 1 of 2 pairs an answer ends with a user turn: a model would learn to write it",
    )


def test_answers_that_may_be_missing_values_are_told(tmp_path: Path) -> None:
    row = {"prompt": "p", "chosen": "a", "rejected": "b"}
    result = notes(tmp_path, [row, {**row, "chosen": " NaN "}, {**row, "rejected": "None"}])
    assert result == (
        "in 2 of 3 pairs an answer is the text 'nan', 'None' or 'null', as missing values are "
        "often written: it is read as an answer",
    )
    few = [{**row, "prompt": f"p{i}"} for i in range(200)]
    assert notes(tmp_path, [*few, {**row, "chosen": "None"}]) == ()


@pytest.mark.parametrize(
    "answers", [('["an ox", "a cow"]', '["a fly"]'), ("['ox']", "['fly', 'x']")]
)
def test_lists_of_answers_that_stand_as_text_are_told(
    tmp_path: Path, answers: tuple[str, str]
) -> None:
    chosen, rejected = answers
    result = notes(tmp_path, [{"prompt": "Beasts?", "chosen": chosen, "rejected": rejected}] * 2)
    assert [note for note in result if note.startswith("in 2 of 2 pairs both answers are a list")]
    # A list of numbers is an answer, and so is a text that begins or ends as one.
    for other in ("[1, 2]", '["a"] is a list', "[a] and [b]"):
        assert notes(tmp_path, [{"prompt": "q", "chosen": other, "rejected": other + "?"}]) == ()


def test_what_a_model_thought_in_a_column_of_its_own_is_told(tmp_path: Path) -> None:
    thought = "Two is even, so it cannot be that."
    result = notes(tmp_path, rows("Name a prime.", 3, chosen_reasoning=thought))
    assert len(result) == 1
    assert result[0].startswith(
        "the column 'chosen_reasoning' may hold the reasoning before an answer"
    )


@pytest.mark.parametrize(
    ("prompt", "images", "is_noted"),
    [
        ("<image><image>What?", ["x.png"], True),
        ("<image>What?", None, True),
        ("<image>What?", ["x.png"], False),
        ("What?", ["x.png", "y.png"], False),
        ("<image><image>What?", ["x.png", "y.png"], False),
    ],
)
def test_marks_without_their_media_are_told(
    tmp_path: Path, prompt: str, images: list[str] | None, is_noted: bool
) -> None:
    matched = {"prompt": "<image>A?", "images": ["z.png"], "chosen": "a", "rejected": "b"}
    row = {"prompt": prompt, "images": images, "chosen": "a", "rejected": "b"}
    placeholder_notes = [
        note for note in notes(tmp_path, [matched, row]) if "number of placeholders" in note
    ]
    assert bool(placeholder_notes) is is_noted
    # Where no row has media a mark is a word of a text about markup.
    assert notes(tmp_path, rows("What is <image> in XML?", 2)) == ()


def test_answers_that_continue_an_answer_are_told(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Name a prime."}, {"role": "assistant", "content": "Is 7"}]
    continued = {"prompt": turns, "chosen": "one?", "rejected": "none?"}
    result = notes(tmp_path, [continued, {**continued, "prompt": turns[:1]}])
    assert len(result) == 1
    assert result[0].startswith("1 of 2 prompts end with an assistant turn")


def test_empty_answers_are_told(tmp_path: Path) -> None:
    row = {"prompt": "Name a prime.", "chosen": " \n", "rejected": "8"}
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
    prompt = [{"role": "user", "content": "q"}]
    assert [
        n for n in notes(tmp_path, [row]) if n.startswith("1 of 1 pairs contain an empty answer")
    ]
    answer = [{"role": "assistant", "content": "8"}]
    assert notes(tmp_path, [{"prompt": prompt, "chosen": [call], "rejected": answer}]) == ()
