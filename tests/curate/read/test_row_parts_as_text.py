"""Tools and arguments of a row that stand as text, and those that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import read_rows, trl_rows

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"strict": True, "x": None}}}
VALUES = {"tools": [TOOL], "chat_template_kwargs": {"enable_thinking": False}}
KINDS = pytest.mark.parametrize("kind", ["jsonl", "parquet"])


@KINDS
@pytest.mark.parametrize("write", [json.dumps, str])
@pytest.mark.parametrize("name", VALUES)
def test_parts_as_json_and_as_python_prints_them(
    tmp_path: Path, kind: str, name: str, write: Any
) -> None:
    rows = [row | {name: write(VALUES[name])} for row in trl_rows(2)]
    pairs = read_rows(tmp_path, rows, kind)
    assert [json.loads(text) for text in pairs.frame[name]] == [VALUES[name]] * 2
    assert not pairs.notes


@KINDS
@pytest.mark.parametrize("name", VALUES)
def test_what_is_no_such_part_is_told(tmp_path: Path, kind: str, name: str) -> None:
    rows = [row | {name: value} for row, value in zip(trl_rows(3), ("fast", "", None), strict=True)]
    pairs = read_rows(tmp_path, rows, kind)
    assert pairs.frame[name].null_count() == 3
    assert json.loads(pairs.frame["extra"][0]) == {name: "fast"}
    (note,) = pairs.notes
    assert note.startswith(f"in 1 of 3 pairs '{name}' is not of the form that trainers take")
