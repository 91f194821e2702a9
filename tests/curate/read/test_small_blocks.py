"""Small files are converted together and give the same pairs as apart."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from curate import CurateError
from curate.read import reader, small_blocks
from curate.read.pairs import Pairs, read_pairs

ROW = {"prompt": "Name a colour.", "chosen": "Blue is a colour.", "rejected": "Seven."}
CHAT = [{"role": "user", "content": "Name a colour."}]


def row_of(number: int, **values: Any) -> dict[str, Any]:
    return {**ROW, "prompt": f"Question {number}?", **values}


FILES: dict[str, list[list[Any]]] = {
    "alike": [[row_of(i), row_of(i + 100, note=i)] for i in range(30)],
    "repeats": [[ROW, {**ROW, "note": i % 3}] for i in range(9)],
    "broken rows": [[row_of(i), "{broken", row_of(-i)] for i in range(12)],
    "no answers": [[row_of(i), row_of(-i, chosen=None), row_of(i + 50)] for i in range(12)],
    "sources": [[row_of(i), row_of(-i, source=f"set {i % 2}")] for i in range(12)],
    "texts and messages": [
        [row_of(i), row_of(-i)]
        if i % 2
        else [row_of(i, prompt=CHAT, chosen=CHAT, rejected=CHAT), row_of(-i, prompt=CHAT)]
        for i in range(10)
    ],
    "messages as texts": [
        [row_of(i, prompt=json.dumps(CHAT) if i % 3 else "[x")] for i in range(9)
    ],
    "ids of the data": [[row_of(i, pair_id=f"id {i % 7}")] for i in range(12)],
    "another format": [
        [row_of(i)] if i % 4 else [{"question": "q", "best": "a", "worst": "b"}]
        for i in range(1, 9)
    ],
    "a large file between small ones": [
        [row_of(i * 1000 + n) for n in range(300 if i == 3 else 2)] for i in range(6)
    ],
    # Ties are drawn by row numbers.
    "rankings with ties": [
        [{"prompt": f"p {i}", "responses": ["a", "b", "c", "d"], "scores": [1, 1, 1, 1]}] * 2
        for i in range(12)
    ],
    "surrogates": [
        [f'{{"prompt": "\\ud800{i}", "chosen": "b", "rejected": "c"}}'] for i in range(4)
    ],
}


def write_archive(path: Path, files: list[list[Any]]) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for number, rows in enumerate(files):
            lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
            archive.writestr(f"data/{number:03d}.jsonl", "\n".join(lines) + "\n")
    return str(path)


def read_apart(path: str, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Pairs:
    with monkeypatch.context() as patch:
        patch.setattr(small_blocks, "_SMALL_ROWS", 0)
        return read_pairs(path, **settings)


@pytest.mark.parametrize("name", FILES)
def test_members_read_together_are_the_same_pairs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_archive(tmp_path / "a.zip", FILES[name])
    together = read_pairs(path, on_error="skip")
    apart = read_apart(path, monkeypatch, on_error="skip")
    for table in ("frame", "rejected", "origins"):
        assert_frame_equal(getattr(together, table), getattr(apart, table))
    assert (together.notes, together.rows_read) == (apart.notes, apart.rows_read)


def test_few_conversions_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conversions: list[int] = []
    convert = small_blocks.convert_blocks

    def counted(*arguments: Any) -> Iterator[pl.DataFrame]:
        for rows in convert(*arguments):
            conversions.append(len(rows))
            yield rows

    monkeypatch.setattr(small_blocks, "convert_blocks", counted)
    monkeypatch.setattr(reader, "convert_blocks", counted)
    path = write_archive(tmp_path / "a.zip", [[row_of(i)] for i in range(200)])
    assert len(read_pairs(path)) == 200
    assert conversions == [200]


@pytest.mark.parametrize("limit", ["_MAX_ROWS", "_MAX_BYTES"])
def test_groups_are_bounded(limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_blocks, limit, {"_MAX_ROWS": 7, "_MAX_BYTES": 600}[limit])
    path = write_archive(tmp_path / "a.zip", FILES["alike"])
    assert_frame_equal(read_pairs(path).frame, read_apart(path, monkeypatch).frame)


@pytest.mark.parametrize("bad", ["{broken", row_of(7, rejected=None)])
def test_an_error_names_file_and_row(
    bad: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [[row_of(i), row_of(-i)] for i in range(20)]
    files[11].insert(1, bad)
    files[15].append(bad)
    path = write_archive(tmp_path / "a.zip", files)
    with pytest.raises(CurateError) as together:
        read_pairs(path)
    with pytest.raises(CurateError) as apart:
        read_apart(path, monkeypatch)
    assert str(together.value) == str(apart.value)
    assert "data/011.jsonl" in str(together.value)
    assert "row 2:" in str(together.value)
