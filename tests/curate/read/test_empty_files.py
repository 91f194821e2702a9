"""A file without a row among others is told: it may never have been written, or not whole."""

from __future__ import annotations

import gzip
import zipfile
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest

from curate import read_pairs, stream_pairs
from curate.read.input import InputConfig
from curate.read.raw_rows import PublishedRows

ROW = '{"prompt": "p", "chosen": "a", "rejected": "b"}\n'


def _parquet() -> bytes:
    buffer = BytesIO()
    pl.DataFrame(schema=dict.fromkeys(("prompt", "chosen", "rejected"), pl.String)).write_parquet(
        buffer
    )
    return buffer.getvalue()


EMPTY = {
    "none.jsonl.gz": gzip.compress(b"", mtime=0),
    "none.jsonl": b"\n \n",
    "none.json": b"[]",
    "none.csv": b"prompt,chosen,rejected\n",
    "none.parquet": _parquet(),
}


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("order", ["a-", "m-", "z-"])
def test_a_file_without_rows_is_told_wherever_it_stands(
    name: str, order: str, tmp_path: Path
) -> None:
    (tmp_path / f"{order}{name}").write_bytes(EMPTY[name])
    for other in ("b.jsonl", "n.jsonl"):
        (tmp_path / other).write_text(ROW, encoding="utf-8")
    pairs = read_pairs(str(tmp_path))
    assert len(pairs) == pairs.rows_read == 2
    (note,) = pairs.notes
    assert note.startswith("files without rows: 1 (")
    assert f"{order}{name}" in note
    parts = list(stream_pairs(str(tmp_path)))
    assert sum(len(part) for part in parts) == 2
    assert parts[-1].notes == pairs.notes
    rows = PublishedRows(InputConfig(path=str(tmp_path)))
    assert len(list(rows)) == 2
    assert note in rows.notes()


def test_many_are_counted_and_the_first_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(ROW, encoding="utf-8")
    for number in range(5):
        (tmp_path / f"{number}.json").write_bytes(b"[]")
    (note,) = read_pairs(str(tmp_path)).notes
    assert note.startswith("files without rows: 5 (")
    assert "0.json" in note
    assert "4.json" not in note


def _archive(path: Path, empty: str) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rows.jsonl", ROW)
        archive.writestr(empty, "")
    return str(path)


def test_an_empty_member_is_told(tmp_path: Path) -> None:
    (note,) = read_pairs(_archive(tmp_path / "x.zip", "more.jsonl")).notes
    assert note == "files without rows: 1 (x.zip/more.jsonl)"
    # A mark of a tool is none.
    assert read_pairs(_archive(tmp_path / "y.zip", "_SUCCESS")).notes == ()
