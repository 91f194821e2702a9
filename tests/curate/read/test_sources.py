"""The same rows through every kind of file give the same pairs."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.feather
import pytest

from curate import CurateError, read_pairs
from tests.helpers import trl_rows, turn, write_jsonl

ROWS = [{**row, "score": i} for i, row in enumerate(trl_rows(20))]


def write(folder: Path, kind: str) -> Path:
    frame = pl.DataFrame(ROWS)
    path = folder / f"data.{kind}"
    if kind == "jsonl":
        return write_jsonl(path, ROWS)
    if kind == "json":
        path.write_text(json.dumps(ROWS))
    elif kind == "jsonl.gz":
        plain = write_jsonl(folder / "plain.txt", ROWS)
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    elif kind == "csv":
        frame.write_csv(path)
    elif kind == "tsv":
        frame.write_csv(path, separator="\t")
    elif kind == "parquet":
        frame.write_parquet(path)
    elif kind == "arrow":
        frame.write_ipc(path)
    else:
        frame.write_ipc_stream(path)
    return path


@pytest.mark.parametrize("kind", ["json", "jsonl.gz", "csv", "tsv", "parquet", "arrow", "feather"])
def test_kinds_of_files(tmp_path: Path, kind: str) -> None:
    expected = read_pairs(str(write(tmp_path, "jsonl"))).frame
    frame = read_pairs(str(write(tmp_path, kind))).frame
    same = [c for c in expected.columns if c not in ("source", "extra")]
    assert frame.select(same).equals(expected.select(same))
    scores = frame["extra"].str.json_path_match("$.score").cast(pl.Int64)
    assert scores.to_list() == list(range(20))


def test_messages_in_parquet(tmp_path: Path) -> None:
    rows = [{"prompt": turn("p", "user"), "chosen": turn("a"), "rejected": turn("b")}] * 2
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    pair = read_pairs(str(tmp_path / "a.parquet")).frame.row(0, named=True)
    assert (pair["prompt"], pair["chosen"]) == (turn("p", "user"), turn("a"))


def test_a_glob_a_folder_and_a_url_read_all_files_in_order(tmp_path: Path) -> None:
    for name, rows in (("b", ROWS[10:]), ("a", ROWS[:10])):
        write_jsonl(tmp_path / f"{name}.jsonl", rows)
    for path in (f"{tmp_path}/*.jsonl", str(tmp_path), f"file://{tmp_path}/*.jsonl"):
        frame = read_pairs(path).frame
        assert [m[0]["content"] for m in frame["prompt"].to_list()] == [r["prompt"] for r in ROWS]
        assert frame["source"].n_unique() == 2


def test_memory_filesystem() -> None:
    import fsspec

    text = "\n".join(json.dumps(row) for row in ROWS)
    with fsspec.open("memory://folder/a.jsonl", "w") as file:
        file.write(text)
    assert len(read_pairs("memory://folder/a.jsonl")) == 20


def test_saved_dataset_and_split(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    dataset = Dataset.from_list(ROWS)
    dataset.save_to_disk(str(tmp_path / "one"))
    assert len(read_pairs(str(tmp_path / "one"))) == 20
    both = DatasetDict({"train": dataset, "test": dataset.select(range(5))})
    both.save_to_disk(str(tmp_path / "two"))
    assert len(read_pairs(str(tmp_path / "two"))) == 20
    assert len(read_pairs(str(tmp_path / "two"), split="test")) == 5
    with pytest.raises(CurateError, match="did you mean 'test'"):
        read_pairs(str(tmp_path / "two"), split="tests")


def test_hub_loading_through_the_datasets_library(tmp_path: Path) -> None:
    """A folder stands in for owner/name: the library loads both by the same call."""
    write(tmp_path, "parquet")
    pairs = read_pairs(hf=str(tmp_path))
    assert len(pairs) == 20


def test_a_data_set_that_the_hub_does_not_give() -> None:
    with pytest.raises(CurateError, match="could not be loaded") as caught:
        read_pairs(hf="no-such-owner/no-such-set")
    assert "input.hf" in str(caught.value)


def test_stream_and_file_form_of_arrow(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    pyarrow.feather.write_feather(table, str(tmp_path / "a.feather"))
    assert len(read_pairs(str(tmp_path / "a.feather"))) == 20


def test_limit_stops_reading(tmp_path: Path) -> None:
    pairs = read_pairs(str(write(tmp_path, "jsonl")), limit=7)
    assert len(pairs) == 7


def test_an_object_that_holds_one_array(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"data": ROWS}, indent=1))
    assert len(read_pairs(str(path))) == 20


@pytest.mark.parametrize("name", ["missing.jsonl", "*.nothing"])
def test_nothing_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(CurateError, match=r"no (such file|file matches)"):
        read_pairs(str(tmp_path / name))


def test_unknown_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_text("x")
    with pytest.raises(CurateError, match="kind of file is not known") as caught:
        read_pairs(str(tmp_path / "a.docx"))
    assert ".parquet" in str(caught.value)
    (tmp_path / "sub").mkdir()
    shutil.copy(tmp_path / "a.docx", tmp_path / "sub")
    with pytest.raises(CurateError, match="kind of file is not known"):
        read_pairs(str(tmp_path / "sub"))


def test_a_broken_parquet_file(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 this is none")
    with pytest.raises(CurateError, match="could not be read as Parquet"):
        read_pairs(str(tmp_path / "a.parquet"))


ONCE = '{"prompt": "p", "chosen": "a", "rejected": "b"}'
TWICE = '{"prompt": "p", "chosen": "a", "chosen": "z", "rejected": "b"}'
WITHIN = '{"prompt": [{"role": "user", "content": "x", "content": "y"}], "chosen": "a"}'


@pytest.mark.parametrize("row", [2, 300])
@pytest.mark.parametrize("text", [TWICE, WITHIN])
def test_a_line_with_a_key_that_stands_twice_is_malformed(
    row: int, text: str, tmp_path: Path
) -> None:
    lines = [ONCE] * (row - 1) + [text]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    with pytest.raises(CurateError, match=f"row {row}: duplicate key"):
        read_pairs(str(tmp_path / "a.jsonl"))
    pairs = read_pairs(str(tmp_path / "a.jsonl"), on_error="skip")
    assert (len(pairs), pairs.rejected["row"].to_list()) == (row - 1, [row])


@pytest.mark.parametrize("row", [2, 300])
@pytest.mark.parametrize("twice", [TWICE, WITHIN])
def test_an_array_with_a_key_that_stands_twice_is_refused(
    row: int, twice: str, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text(f"[\n{', '.join([ONCE] * (row - 1) + [twice])}]")
    with pytest.raises(CurateError, match="duplicate key") as caught:
        read_pairs(str(tmp_path / "a.json"), on_error="skip")
    assert f"a.json, row {row}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "pairs"),
    [
        ("a.jsonl", ONCE.replace('"a"', r'"\"chosen\": 1, \"chosen\": 2"'), 1),
        ("a.json", "[ " + " , ".join([ONCE] * 300) + " ]", 300),
        ("a.json", f'{{"data": [{ONCE}], "version": 1}}', 1),
    ],
)
def test_keys_of_other_objects_and_of_texts_are_no_matter(
    name: str, text: str, pairs: int, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    assert len(read_pairs(str(tmp_path / name))) == pairs


PLAIN_ROWS = [{"prompt": f"p{i}", "chosen": f"a{i}", "rejected": f"b{i}"} for i in range(20)]


@pytest.mark.parametrize(
    "value",
    [
        {str(i): row for i, row in enumerate(PLAIN_ROWS)},
        {f"id-{i}": row for i, row in enumerate(PLAIN_ROWS)},
        {"data": {"train": PLAIN_ROWS}},
        {"data": {str(i): row for i, row in enumerate(PLAIN_ROWS)}},
    ],
    ids=["by number", "by name", "two levels", "by number within"],
)
def test_rows_within_objects(tmp_path: Path, value: dict[str, Any]) -> None:
    (tmp_path / "a.json").write_text(json.dumps(value))
    pairs = read_pairs(str(tmp_path / "a.json"))
    assert [messages[0]["content"] for messages in pairs.frame["chosen"]] == [
        f"a{i}" for i in range(20)
    ]
    named = "id-0" in value
    assert pairs.frame["extra"].null_count() == (0 if named else 20)


def test_messages_of_one_row_are_no_rows(tmp_path: Path) -> None:
    answer = {"role": "assistant", "content": "a"}
    row = {"prompt": {"role": "user", "content": "p"}, "chosen": answer, "rejected": answer}
    (tmp_path / "a.json").write_text(json.dumps(row))
    assert len(read_pairs(str(tmp_path / "a.json"))) == 1


LINE = json.dumps(PLAIN_ROWS[0])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jsonl", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        ("a.csv", b"\n<!DOCTYPE html><html></html>", "web page"),
        ("a.jsonl", gzip.compress(LINE.encode(), mtime=0), "is gzip, which"),
        ("a.csv", b"PAR1\x00\x00", "is Parquet, which"),
        ("a.jsonl", json.dumps(PLAIN_ROWS[0], indent=1).encode() * 2, "objects over several lines"),
        ("a.jsonl", f"{LINE},\n{LINE},\n".encode(), "a comma behind each object"),
        ("a.jsonl", (LINE * 3).encode(), "several objects in a line"),
    ],
)
def test_a_file_that_is_not_what_its_name_says(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CurateError, match=reason):
        read_pairs(str(tmp_path / name), on_error="skip")


def test_a_broken_first_line_is_a_malformed_row(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(['{"prompt": "p",', LINE, LINE.replace("p0", "q")]))
    pairs = read_pairs(str(tmp_path / "a.jsonl"), on_error="skip")
    assert (len(pairs), pairs.rejected["row"].to_list()) == (2, [1])
