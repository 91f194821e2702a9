"""Lists and objects that stand as JSON text in a column are read as what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import read_pairs
from tests.helpers import write_jsonl

TURN = {"role": "user", "content": "Beasts?"}
SCORED = [
    {"response": text, "annotations": {"helpfulness": {"Rating": rating}}}
    for text, rating in (("ox", "5"), ("fly", "1"))
]
OX_AND_FLY = [
    {"rank": 0, "completion": [{"role": "assistant", "content": "ox"}]},
    {"rank": 1, "completion": [{"role": "assistant", "content": "fly"}]},
]
FORMS: dict[str, dict[str, Any]] = {
    "listwise": {"prompt": "Beasts?", "responses": ["fly", "ox"], "scores": [1, 2]},
    "ultrafeedback": {"instruction": "Beasts?", "completions": SCORED},
    "nectar": {
        "prompt": "Beasts?",
        "answers": [{"answer": "ox", "rank": 1}, {"answer": "fly", "rank": 2}],
    },
    "nemo_rl": {"context": [TURN], "completions": OX_AND_FLY},
}


def _texts(row: dict[str, Any], printed: bool = False) -> dict[str, Any]:
    return {
        k: v if isinstance(v, str) else str(v) if printed else json.dumps(v) for k, v in row.items()
    }


def _written(folder: Path, kind: str, rows: list[dict[str, Any]]) -> str:
    path = folder / f"rows.{kind}"
    if kind == "jsonl":
        return str(write_jsonl(path, rows))
    frame = pl.DataFrame(rows)
    frame.write_csv(path) if kind == "csv" else frame.write_parquet(path)
    return str(path)


@pytest.mark.parametrize("printed", [False, True])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("name", FORMS)
def test_columns_of_json_texts(tmp_path: Path, name: str, kind: str, printed: bool) -> None:
    pairs = read_pairs(_written(tmp_path, kind, [_texts(FORMS[name], printed)] * 2))
    assert pairs.format == name
    messages = [
        [turn["content"] for turn in pairs.frame[part][0]]
        for part in ("prompt", "chosen", "rejected")
    ]
    assert messages == [["Beasts?"], ["ox"], ["fly"]]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_text_that_is_no_list_is_an_error_of_its_row(tmp_path: Path, kind: str) -> None:
    good = _texts(FORMS["listwise"])
    path = _written(tmp_path, kind, [good] * 20 + [good | {"responses": "[oops"}])
    pairs = read_pairs(path, on_error="skip")
    assert len(pairs) == 20
    assert pairs.rejected["row"].to_list() == [21]


def test_an_answer_that_is_json_stays_a_text(tmp_path: Path) -> None:
    row = {"prompt": "As JSON?", "chosen": '{"beast": "ox"}', "rejected": '["fly", 1]'}
    pair = read_pairs(str(write_jsonl(tmp_path / "a.jsonl", [row] * 3))).frame
    assert pair["chosen"][0][0]["content"] == row["chosen"]
    assert pair["rejected"][0][0]["content"] == row["rejected"]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_list_of_paths_that_stands_as_text(tmp_path: Path, kind: str) -> None:
    row = {"prompt": "<image>What?", "chosen": "ox", "rejected": "fly", "images": '["x.png"]'}
    images = read_pairs(_written(tmp_path, kind, [row] * 2)).frame["images"][0]
    assert [medium["path"] for medium in images] == ["x.png"]
