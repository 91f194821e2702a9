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
    found = read_rows(tmp_path, _rows(role), on_error="skip")
    assert len(found) == 2
    assert found.rejected["row"].to_list() == [2]
    assert "as role (expected a text) in message 1" in found.rejected["reason"][0]


@KINDS
@pytest.mark.parametrize("role", ["", "  "])
def test_an_empty_role_is_an_error(tmp_path: Path, kind: str, role: str) -> None:
    found = read_rows(tmp_path, _rows(role), kind, on_error="skip")
    assert len(found) == 2
    assert "has an empty role" in found.rejected["reason"][0]


@KINDS
def test_speakers_that_no_template_knows_are_told(tmp_path: Path, kind: str) -> None:
    found = read_rows(tmp_path, _rows("narrator"), kind)
    (note,) = found.notes
    assert note.startswith("1 messages are by speakers that chat templates do not know: 'narrator'")
    for known in ("developer", "tool", "environment", "ipython", "system"):
        assert not any("speakers" in n for n in read_rows(tmp_path, _rows(known), kind).notes)


@KINDS
@pytest.mark.parametrize("asked", ["instruction", "query"])
def test_a_history_without_a_question_stays(tmp_path: Path, kind: str, asked: str) -> None:
    answers = {"chosen": "a", "rejected": "b"}
    if asked == "query":
        answers = {"response": "a", "rejected_response": "b"}
    rows = [{asked: q, "history": [["q1", "a1"]], **answers} for q in ("now?", None)]
    found = read_rows(tmp_path, rows, kind)
    before = [*turn("q1", "user"), *turn("a1")]
    assert found.frame["prompt"].to_list() == [[*before, *turn("now?", "user")], before]


@KINDS
def test_an_input_without_an_instruction_is_the_prompt(tmp_path: Path, kind: str) -> None:
    parts = ((None, "in"), ("do", None), ("do", ""), ("", "in"), ("do", "in"))
    rows = [
        {"instruction": i, "input": given, "chosen": "a", "rejected": "b"} for i, given in parts
    ]
    found = read_rows(tmp_path, rows, kind)
    texts = ["in", "do", "do", "in", "do\nin"]
    assert found.frame["prompt"].to_list() == [turn(text, "user") for text in texts]


def test_an_instruction_may_be_messages(tmp_path: Path) -> None:
    row = {"instruction": published("hi", "user"), "input": "more", "history": [["q", "a"]]}
    found = read_rows(tmp_path, [row | {"chosen": "a", "rejected": "b"}])
    (prompt,) = found.frame["prompt"].to_list()
    assert [m["content"] for m in prompt] == ["q", "a", "hi", "more"]
