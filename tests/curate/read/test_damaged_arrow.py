"""Arrow files whose lengths or offsets are damaged: a look into them would end the process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curate import CurateError, read_pairs
from curate.read.sources.arrow_types import check_offsets
from tests.curate.read.public_rows import FORMS

FORM = pytest.mark.parametrize("form", ["trl", "trl messages", "tools"])
STREAM = pytest.mark.parametrize("stream", [False, True])


def _table(form: str) -> pa.Table:
    rows = [row for i in range(20) for row in FORMS[form](i)]
    return pa.Table.from_pylist([row | {"tools": None} for row in rows])


def _bytes(table: pa.Table, stream: bool) -> bytes:
    sink = pa.BufferOutputStream()
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _read(path: Path, content: bytes) -> Any:
    path.write_bytes(content)
    return read_pairs(str(path))


@STREAM
@FORM
def test_offsets_out_of_the_buffer_are_damage(tmp_path: Path, form: str, stream: bool) -> None:
    table = _table(form)
    data = _bytes(table, stream)
    chunk = table["rejected"].chunk(0)
    offsets = chunk.buffers()[1].to_pybytes()[: 4 * (len(chunk) + 1)]
    at = data.index(offsets) + 4 * 7
    for wrong in (2**30, -1, 0):
        damaged = data[:at] + np.int32(wrong).tobytes() + data[at + 4 :]
        with pytest.raises(CurateError, match="could not be read as Arrow"):
            _read(tmp_path / "a.arrow", damaged)
    assert len(_read(tmp_path / "a.arrow", data)) == 20


@FORM
def test_flipped_bits_end_no_process(tmp_path: Path, form: str) -> None:
    data = _bytes(_table(form), stream=False)
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(data), 60):
        one = bytes([data[at] ^ (1 << int(rng.integers(8)))])
        try:
            outcome = _read(tmp_path / "a.arrow", data[:at] + one + data[at + 1 :])
        except CurateError:
            continue
        assert len(outcome) + len(outcome.rejected) >= 20


def test_bytes_behind_a_stream_are_damage(tmp_path: Path) -> None:
    data = _bytes(_table("trl"), stream=True)
    with pytest.raises(CurateError, match="bytes follow the end of the stream"):
        _read(tmp_path / "a.arrow", data + data)


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["a", None, "bc"]),
        pa.array(["a", None, "bc"], pa.large_string()),
        pa.array(["a", None, "bc"], pa.string_view()),
        pa.array([[["a"], None]], pa.large_list(pa.list_(pa.string()))),
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32())),
        pa.array(["a", "b"]).dictionary_encode(),
        pa.array([{"a": [{"b": "c"}]}, None]),
        pa.nulls(3),
    ],
)
def test_sound_arrays_pass(array: pa.Array) -> None:
    check_offsets(array)
    check_offsets(array.slice(1))


def test_texts_that_are_no_utf_8_pass_and_are_mended(tmp_path: Path) -> None:
    table = _table("trl")
    broken = pa.array([b"bad \xff"] * len(table)).view(pa.string())
    check_offsets(broken)
    table = table.set_column(table.column_names.index("rejected"), "rejected", broken)
    outcome = _read(tmp_path / "a.arrow", _bytes(table, stream=False))
    assert outcome.frame["rejected"][0][0]["content"] == "bad \ufffd"
    assert any("invalid Unicode" in note for note in outcome.notes)
