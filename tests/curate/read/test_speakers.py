"""Who speaks in a message: what is no speaker is an error, what no template knows is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers import published, read_rows, turn

KINDS = pytest.mark.parametrize("kind", ["jsonl", "parquet"])


def _rows(role: Any, count: int = 3) -> list[dict[str, Any]]:
    rows = [
        {
            "prompt": published(f"p {i}", "user"),
            "chosen": published("a"),
            "rejected": published("b"),
        }
        for i in range(count)
    ]
    rows[1]["prompt"] = [{"role": role, "content": "p 1"}]
    return rows


@pytest.mark.parametrize("role", [[], ["user"], {"name": "user"}, 7, True, None])
def test_a_role_that_is_no_text_is_an_error(tmp_path: Path, role: Any) -> None:
    pairs = read_rows(tmp_path, _rows(role), on_error="skip")
    assert len(pairs) == 2
    assert pairs.rejected["row"].to_list() == [2]
    assert "as role (expected a text) in message 1" in pairs.rejected["reason"][0]


@KINDS
@pytest.mark.parametrize("role", ["", "  "])
def test_an_empty_role_is_an_error(tmp_path: Path, kind: str, role: str) -> None:
    pairs = read_rows(tmp_path, _rows(role), kind, on_error="skip")
    assert len(pairs) == 2
    assert "has an empty role" in pairs.rejected["reason"][0]


@KINDS
def test_speakers_that_no_template_knows_are_told(tmp_path: Path, kind: str) -> None:
    pairs = read_rows(tmp_path, _rows("narrator"), kind)
    (note,) = pairs.notes
    assert note.startswith("1 messages are by speakers that chat templates do not know: 'narrator'")
    for speaker in ("developer", "tool", "environment", "ipython", "system"):
        assert not any("speakers" in n for n in read_rows(tmp_path, _rows(speaker), kind).notes)


@KINDS
@pytest.mark.parametrize("speaker", ["instruction", "query"])
def test_a_history_without_a_question_stays(tmp_path: Path, kind: str, speaker: str) -> None:
    answers = {"chosen": "a", "rejected": "b"}
    if speaker == "query":
        answers = {"response": "a", "rejected_response": "b"}
    rows = [{speaker: q, "history": [["q1", "a1"]], **answers} for q in ("now?", None)]
    pairs = read_rows(tmp_path, rows, kind)
    before = [*turn("q1", "user"), *turn("a1")]
    assert pairs.frame["prompt"].to_list() == [[*before, *turn("now?", "user")], before]


@KINDS
def test_an_input_without_an_instruction_is_the_prompt(tmp_path: Path, kind: str) -> None:
    parts = ((None, "in"), ("do", None), ("do", ""), ("", "in"), ("do", "in"))
    rows = [
        {"instruction": i, "input": input_text, "chosen": "a", "rejected": "b"}
        for i, input_text in parts
    ]
    pairs = read_rows(tmp_path, rows, kind)
    texts = ["in", "do", "do", "in", "do\nin"]
    assert pairs.frame["prompt"].to_list() == [turn(text, "user") for text in texts]


def test_an_instruction_may_be_messages(tmp_path: Path) -> None:
    row = {"instruction": published("hi", "user"), "input": "more", "history": [["q", "a"]]}
    pairs = read_rows(tmp_path, [row | {"chosen": "a", "rejected": "b"}])
    (prompt,) = pairs.frame["prompt"].to_list()
    assert [m["content"] for m in prompt] == ["q", "a", "hi", "more"]
