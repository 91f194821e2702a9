"""Columns of bytes that hold text, as Hive, Impala and Spark write them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from curate import read_pairs
from tests.pictures import picture

ROWS = 30
TEXTS = {
    "prompt": [f"q {i} ü" for i in range(ROWS)],
    "chosen": [f"good answer {i} ü" for i in range(ROWS)],
    "rejected": [f"bad answer {i}" for i in range(ROWS)],
}


def write(path: Path, types: dict[str, pa.DataType], **changes: list[bytes]) -> str:
    """A parquet file of TEXTS, the named columns as bytes."""
    columns = {
        name: pa.array(changes.get(name) or [t.encode() for t in texts], types[name])
        if name in types
        else pa.array(texts)
        for name, texts in TEXTS.items()
    }
    parquet.write_table(pa.table(columns), path)
    return str(path)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
@pytest.mark.parametrize(
    "names", [("prompt", "chosen", "rejected"), ("chosen", "rejected"), ("prompt",)]
)
def test_bytes_that_are_text_are_text(
    kind: pa.DataType, names: tuple[str, ...], tmp_path: Path
) -> None:
    path = write(tmp_path / "a.parquet", dict.fromkeys(names, kind))
    parquet.write_table(pa.table(TEXTS), tmp_path / "b.parquet")
    pairs, expected = read_pairs(path), read_pairs(tmp_path / "b.parquet")
    columns = ["pair_id", "prompt", "chosen", "rejected"]
    assert pairs.frame.select(columns).equals(expected.frame.select(columns))
    assert [note for note in pairs.notes if "UTF-8" in note] == [
        f"'{name}' holds bytes that are UTF-8: read as text" for name in names
    ]


def test_messages_in_bytes_are_read(tmp_path: Path) -> None:
    turns = b'[{"role": "assistant", "content": "%s"}]'
    answers = {
        side: [turns % f"{side} {i}".encode() for i in range(ROWS)]
        for side in ("chosen", "rejected")
    }
    path = write(tmp_path / "a.parquet", dict.fromkeys(answers, pa.binary()), **answers)
    pairs = read_pairs(path)
    assert pairs.frame["chosen"][0].to_list()[0]["content"] == "chosen 0"


def test_single_values_that_are_no_text_are_rejected_rows(tmp_path: Path) -> None:
    chosen = [t.encode() for t in TEXTS["chosen"]]
    chosen[7] = b"\xff\xfe\x00broken"
    path = write(tmp_path / "a.parquet", {"chosen": pa.binary()}, chosen=chosen)
    pairs = read_pairs(path, on_error="skip")
    assert len(pairs) == ROWS - 1
    assert "no UTF-8" in pairs.rejected["reason"][0]


def test_images_stay_images(tmp_path: Path) -> None:
    images = {
        side: [picture(8, 8, seed + i) for i in range(ROWS)]
        for side, seed in (("chosen", 0), ("rejected", 100))
    }
    path = write(tmp_path / "a.parquet", dict.fromkeys(images, pa.binary()), **images)
    pairs = read_pairs(path)
    assert pairs.frame["chosen"][0].to_list()[0]["content"] == "<image>"
