"""JSON lines of texts alone are parsed in one piece, with the same result as one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from curate import read_pairs
from curate.read.sources import json_files
from curate.read.sources.text_lines import text_columns, text_table

_REGULAR = b'{"a": "x", "b": "y"}\n'


@pytest.mark.parametrize(
    "line",
    [
        b"null\n",
        b"5\n",
        b"\n",
        b"{}\n",
        b'{"a": "x"}\n',
        b'{"a": "x", "b": null}\n',
        b'{"a": "x", "b": 1}\n',
        b'{"a": "x", "b": ["y"]}\n',
        b'{"a": "x", "b": "y", "c": "z"}\n',
        b'{"a": "x", "b": "y", "a": "z"}\n',
        b'{"a": "x", "b": "y"}{"a": "x", "b": "y"}\n',
        b'{"a": "x", "b": "y"}null\n',
        b'{"a": "x", "b": "y"}\r\n',
        b'{"a": "x", "b": "\\ud800"}\n',
        b'{"a": "x", "b": "\xff"}\n',
        b'{"a": "x", "b": "\xed\xa0\x80"}\n',
        b'{"a": "x", "b": "\x01"}\n',
        b'{"a": "x", "b": "y"\n',
        b'{"a": "x", "b": NaN}\n',
    ],
)
def test_an_odd_line_is_left_to_the_parser_of_single_lines(line: bytes) -> None:
    """Wherever it stands among regular ones."""
    for lines in ([_REGULAR, line, _REGULAR], [line, _REGULAR], [_REGULAR, line]):
        # At the end of a file only.
        is_sound = line.endswith(b"\r\n") and lines[-1] is line
        assert (text_table(lines, ["a", "b"]) is None) is not is_sound


def test_texts_of_any_kind_are_parsed_as_one_by_one() -> None:
    """Escapes, characters of four bytes, zeros, and keys in another order."""
    rows = [
        {"a": 'é\n\t"\\/', "b": "𝄞"},
        {"a": "\x00", "b": "2020-01-01"},
        {"b": "", "a": "}\n{"},
    ]
    for ascii_only in (True, False):
        lines = [json.dumps(row, ensure_ascii=ascii_only).encode() + b"\n" for row in rows]
        table = text_table(lines, ["a", "b"])
        assert table is not None
        assert table.to_pylist() == rows
    assert text_columns(rows) == ("a", "b")
    assert text_columns([*rows, {"a": "x"}]) is None


def test_a_file_gives_the_same_pairs_either_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of texts, a block with an odd row between them, and a column that goes to extra."""
    monkeypatch.setattr(json_files, "BLOCK_ROWS", 4)
    rows: list[dict[str, object]] = [
        {
            "prompt": f"How much is {i}?",
            "chosen": f"{i} é",
            "rejected": "None",
            "topic": f"t{i % 2}",
        }
        for i in range(20)
    ]
    rows[9]["chosen"] = 5
    rows[10]["topic"] = 1.5
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tables = []

    def watched_table(lines: list[bytes], columns: tuple[str, ...]) -> object:
        tables.append(text_table(lines, columns))
        return tables[-1]

    monkeypatch.setattr(json_files, "text_table", watched_table)
    by_columns = read_pairs(str(path), on_error="skip")
    assert [table is None for table in tables] == [False, True, False, False]
    monkeypatch.setattr(json_files, "text_table", lambda *_: None)
    one_by_one = read_pairs(str(path), on_error="skip")
    assert_frame_equal(by_columns.frame, one_by_one.frame)
    assert_frame_equal(by_columns.rejected, one_by_one.rejected)
    assert_frame_equal(by_columns.origins, one_by_one.origins)
    assert by_columns.notes == one_by_one.notes
