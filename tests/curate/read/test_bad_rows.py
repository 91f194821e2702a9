"""Malformed rows are named with file, row and reason, and nothing else is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate import CurateError, read_pairs
from tests.helpers import trl_rows, turn, write_jsonl

GOOD = trl_rows(3)


def skip(path: Path) -> tuple[int, list[tuple[int, str]]]:
    pairs = read_pairs(str(path), on_error="skip")
    assert pairs.rejected["file"].unique().to_list() in ([], [path.name])
    return len(pairs), [(r["row"], r["reason"]) for r in pairs.rejected.to_dicts()]


BAD_ROWS = {
    "no chosen": ({"prompt": "p", "rejected": "b"}, "the chosen answer is missing"),
    "null rejected": (
        {"prompt": "p", "chosen": "a", "rejected": None},
        "rejected answer is missing",
    ),
    "number as answer": ({"prompt": "p", "chosen": 7, "rejected": "b"}, "'chosen' is 7"),
    "messages among texts": (
        {"prompt": "p", "chosen": turn("a"), "rejected": "b"},
        "while most rows",
    ),
    "a list": (["prompt", "chosen"], "the row is a list"),
    "no JSON": ('{"prompt": "p", ', "not valid JSON"),
    "prompts that differ": (
        {"prompt": None, "chosen": "one thing", "rejected": "other thing"},
        "prompts of chosen and rejected do not match",
    ),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_is_named_and_the_others_are_read(tmp_path: Path, kind: str) -> None:
    row, reason = BAD_ROWS[kind]
    path = write_jsonl(tmp_path / "a.jsonl", [*GOOD[:2], row, GOOD[2]])
    read, rejected = skip(path)
    assert read == 3
    assert [number for number, _ in rejected] == [3]
    assert reason in rejected[0][1]


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_stop_names_file_row_and_reason(tmp_path: Path, kind: str) -> None:
    row, reason = BAD_ROWS[kind]
    path = write_jsonl(tmp_path / "a.jsonl", [*GOOD, row])
    with pytest.raises(CurateError, match="malformed rows") as caught:
        read_pairs(str(path))
    message = str(caught.value)
    assert "a.jsonl" in message
    assert "row 4: " in message
    assert reason in message
    assert "on_error: skip" in message


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    with pytest.raises(CurateError, match="the file is empty"):
        read_pairs(str(tmp_path / "a.jsonl"))


def test_a_file_of_blank_lines_or_of_an_empty_list(tmp_path: Path) -> None:
    for name, text in (
        ("a.jsonl", "\n\n"),
        ("b.json", "[]"),
        ("c.csv", "prompt,chosen,rejected\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(CurateError, match="no pair was read"):
            read_pairs(str(tmp_path / name))


def test_only_broken_rows(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", ["[", "]"])
    with pytest.raises(CurateError, match="2 of them malformed"):
        read_pairs(str(path), on_error="skip")


def test_wrong_encoding_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "é", "chosen": "a", "rejected": "b"}\n', encoding="utf-16")
    with pytest.raises(CurateError, match="not UTF-8") as caught:
        read_pairs(str(path))
    assert "iconv -f UTF-16" in str(caught.value)


def test_wrong_encoding_of_one_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = b'{"prompt": "p", "chosen": "a", "rejected": "b"}\n'
    path.write_bytes(good + good.replace(b'"a"', b'"\xe9"') + good)
    read, rejected = skip(path)
    assert (read, rejected[0][0]) == (2, 2)
    assert "not UTF-8" in rejected[0][1]


def test_latin1_json_array(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes('[{"prompt": "é", "chosen": "a", "rejected": "b"}]'.encode("latin-1"))
    with pytest.raises(CurateError, match="not UTF-8"):
        read_pairs(str(path))


def test_csv_row_with_too_many_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,chosen,rejected\np,a,b\np,a,b,c\nq,a,b\n")
    read, rejected = skip(path)
    assert read == 2
    assert rejected == [(2, "the row has 4 columns, the header has 3")]


def test_csv_with_quoted_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('prompt,chosen,rejected\n"two\nlines","a, b","c ""d"""\n')
    pair = read_pairs(str(path)).frame.row(0, named=True)
    assert pair["prompt"][0]["content"] == "two\nlines"
    assert pair["rejected"][0]["content"] == 'c "d"'


def test_duplicate_pair_ids(tmp_path: Path) -> None:
    rows = [{**row, "pair_id": i} for row, i in zip(GOOD, ("x", "y", "x"), strict=True)]
    read, rejected = skip(write_jsonl(tmp_path / "a.jsonl", rows))
    assert read == 2
    assert rejected == [(3, "pair_id 'x' occurred before; expected a new one or none")]


def test_identical_and_empty_answers_are_read(tmp_path: Path) -> None:
    rows = [
        {"prompt": "p", "chosen": "a", "rejected": "a"},
        {"prompt": "p", "chosen": "", "rejected": "a"},
    ]
    pairs = read_pairs(str(write_jsonl(tmp_path / "a.jsonl", rows)))
    assert len(pairs) == 2
    assert len(pairs.rejected) == 0


def test_long_emoji_and_right_to_left_texts_come_back_unchanged(tmp_path: Path) -> None:
    texts = ["x" * 200_000, "👩‍👩‍👧‍👦🏳️‍🌈", "שלום עולם \u202eمرحبا", "nul \x00 tab \t"]
    rows = [{"prompt": t, "chosen": t + "a", "rejected": t + "b"} for t in texts]
    frame = read_pairs(str(write_jsonl(tmp_path / "a.jsonl", rows))).frame
    assert [m[0]["content"] for m in frame["prompt"].to_list()] == texts
    assert [m[0]["content"] for m in frame["chosen"].to_list()] == [t + "a" for t in texts]
