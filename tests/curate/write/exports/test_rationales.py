from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import CurateError, Pipeline
from tests.helpers import write_jsonl

ROWS = [
    {"prompt": "2 + 2?", "chosen": "4", "rejected": "5", "rationale": "B is wrong."},
    {"prompt": "3 + 3?", "chosen": "6", "rejected": "7", "rationale": " "},
    {"prompt": "4 + 4?", "chosen": "8", "rejected": "9"},
]


def test_rows_train_on_the_reason_given_prompt_and_both_answers(tmp_path: Path) -> None:
    data, out = write_jsonl(tmp_path / "d.jsonl", ROWS), tmp_path / "out"
    Pipeline({"output": {"format": "rationales", "file_type": "jsonl"}}).run(str(data), output=out)
    lines = [json.loads(line) for p in (out / "kept").rglob("*.jsonl") for line in p.open()]
    (row,) = lines
    question, answer = row["messages"]
    assert answer == {"role": "assistant", "content": "B is wrong."}
    assert question["role"] == "user"
    parts = ["2 + 2?", "[Answer A]\n4", "[Answer B]\n5", "why?"]
    places = [question["content"].index(part) for part in parts]
    assert places == sorted(places)


def test_without_any_rationale_there_is_an_error(tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "d.jsonl", ROWS[2:])
    with pytest.raises(CurateError, match="no pair has a rationale"):
        Pipeline({"output": {"format": "rationales"}}).run(str(data), output=tmp_path / "out")


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"chosen": [{"role": "assistant", "content": "4", "reasoning_content": "two"}]}, "reason"),
        ({"images": ["http://host/a.png"]}, "images"),
    ],
)
def test_what_a_question_of_texts_cannot_hold_is_refused(
    part: dict[str, Any], named: str, tmp_path: Path
) -> None:
    messages = {
        "prompt": [{"role": "user", "content": "2 + 2?"}],
        "chosen": [{"role": "assistant", "content": "4"}],
        "rejected": [{"role": "assistant", "content": "5"}],
    }
    data = write_jsonl(tmp_path / "d.jsonl", [messages | {"rationale": "B is wrong."} | part])
    with pytest.raises(CurateError, match="cannot represent some content") as error:
        Pipeline({"output": {"format": "rationales"}}).run(str(data), output=tmp_path / "out")
    assert named in str(error.value)


def test_a_column_goes_before_extra() -> None:
    from curate.write.exports.registry import get_export
    from tests.helpers import pairs_of

    export = get_export("rationales")
    pairs = pairs_of([{"prompt": "p", "chosen": "a", "rejected": "b"}])
    pairs = pairs.with_columns(rationale=pl.lit("Because."), extra=pl.lit('{"rationale": "No."}'))
    messages = export.convert(pairs, export.schema())["messages"][0]
    assert messages[1]["content"] == "Because."
