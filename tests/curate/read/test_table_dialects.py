"""Files of separated text and JSON as spreadsheets, pandas and R write them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import read_pairs
from curate.errors import CurateError

ROWS = [
    {"prompt": "Name a prime, please.", "chosen": "11;\nand 13", "rejected": 'He said "12"\tor so'},
    {"prompt": "Name a beast.", "chosen": "Ox", "rejected": "Oak"},
]
NAMES = list(ROWS[0])


def separated(path: Path, separator: str, quoting: Any = csv.QUOTE_MINIMAL) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, NAMES, delimiter=separator, quoting=quoting)
        writer.writeheader()
        writer.writerows(ROWS)
    return path


def texts(path: Path) -> list[dict[str, str]]:
    frame = read_pairs(str(path)).frame
    last = [pl.col(name).list.last().struct.field("content").alias(name) for name in NAMES]
    return frame.select(last).to_dicts()


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize(
    ("name", "separator"),
    [("a.csv", ";"), ("a.csv", "\t"), ("a.csv", "|"), ("a.csv", ","), ("a.tsv", "\t")],
)
def test_quotes_and_separators(tmp_path: Path, name: str, separator: str, quoting: int) -> None:
    path = separated(tmp_path / name, separator, quoting)
    assert texts(path) == ROWS
    is_noted = any("read" in note for note in read_pairs(str(path)).notes)
    assert is_noted is (name == "a.tsv" or separator != ",")


def test_doubled_marks_on_one_line_are_quotes(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('prompt\tchosen\trejected\nq\t"a ""b"""\tc\n')
    assert texts(tmp_path / "a.tsv") == [{"prompt": "q", "chosen": 'a "b"', "rejected": "c"}]


def test_marks_that_are_text_stay(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('prompt\tchosen\trejected\nq\t"a" and ""\t"b\n')
    assert texts(tmp_path / "a.tsv") == [{"prompt": "q", "chosen": '"a" and ""', "rejected": '"b'}]


def test_utf_16_is_told_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt,chosen,rejected\nq,a,b\n", encoding="utf-16")
    with pytest.raises(CurateError, match="UTF-16"):
        read_pairs(str(tmp_path / "a.csv"))


@pytest.mark.parametrize("orient", ["columns", "list", "split", "table", "records", "index_only"])
def test_json_by_columns(tmp_path: Path, orient: str) -> None:
    values = {name: [row[name] for row in ROWS] for name in NAMES}
    by_columns: Any = {
        "columns": {name: dict(enumerate(column)) for name, column in values.items()},
        "list": values,
        "split": {"columns": NAMES, "index": [0, 1], "data": [list(r.values()) for r in ROWS]},
        "table": {"schema": {"fields": [{"name": n} for n in NAMES]}, "data": ROWS},
        "records": ROWS,
        "index_only": {"version": 1, "data": ROWS},
    }[orient]
    (tmp_path / "a.json").write_text(json.dumps(by_columns))
    assert texts(tmp_path / "a.json") == ROWS


def test_one_row_of_messages_is_a_row(tmp_path: Path) -> None:
    row = {
        "prompt": [{"role": "user", "content": "q"}],
        "chosen": [{"role": "assistant", "content": "a"}],
        "rejected": [{"from": "gpt", "value": "b"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(row))
    assert texts(tmp_path / "a.json") == [{"prompt": "q", "chosen": "a", "rejected": "b"}]


def test_two_splits_of_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"train": ROWS, "test": ROWS}))
    with pytest.raises(CurateError, match="'train', 'test'"):
        read_pairs(str(tmp_path / "a.json"))


def test_objects_one_behind_another_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("\n".join(json.dumps(row, indent=1) for row in ROWS))
    with pytest.raises(CurateError, match="jq -c"):
        read_pairs(str(tmp_path / "a.json"))


@pytest.mark.parametrize(
    ("end", "is_noted"), [("\n", False), ("\r\n", False), ("", True), ('"', False), ('"\n', False)]
)
def test_a_row_that_nothing_ends_may_be_cut(tmp_path: Path, end: str, is_noted: bool) -> None:
    """Of a file that was cut in its last column all rows have as many fields as the header."""
    quote = '"' if '"' in end else ""
    path = tmp_path / "a.csv"
    path.write_text(f"prompt,chosen,rejected\nq,a,{quote}Because it is{end}", newline="")
    pairs = read_pairs(str(path))
    assert len(pairs) == 1
    assert any("line break" in note for note in pairs.notes) is is_noted


def test_a_quote_ends_no_row_where_quotes_are_text(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('prompt\tchosen\trejected\nq\ta\tthe "b"')
    assert any("line break" in note for note in read_pairs(str(tmp_path / "a.tsv")).notes)
