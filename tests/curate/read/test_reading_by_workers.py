"""Files that workers read give the same pairs, ids and notes as files that are read here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from curate import CurateError
from curate.read import convert_blocks
from curate.read.pairs import Pairs, collect_pairs, stream_pairs
from curate.store.scratch import ScratchSpace
from tests.conftest import DATA
from tests.workers import PickledWorkers

ROW = {"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}


def read(path: Path, workers: PickledWorkers | None, **options: Any) -> Pairs:
    return collect_pairs(stream_pairs(str(path), workers=workers, **options), ScratchSpace())


def assert_the_same(path: Path, calls: int, **options: Any) -> Pairs:
    """Read both ways, and compare all that is told."""
    workers = PickledWorkers()
    expected, there = read(path, None, **options), read(path, workers, **options)
    for name in ("frame", "rejected", "origins"):
        assert_frame_equal(getattr(there, name), getattr(expected, name))
    for name in ("format", "rows_read", "notes", "folders"):
        assert getattr(there, name) == getattr(expected, name), name
    assert workers.calls == calls
    return there


def write(folder: Path, files: dict[str, list[Any]]) -> Path:
    folder.mkdir()
    for name, rows in files.items():
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_repeats_over_several_files_get_the_same_ids(tmp_path: Path) -> None:
    other = {**ROW, "prompt": "Name a number.", "id": "own"}
    files = {"a.jsonl": [ROW, other], "b.jsonl": [ROW, {**ROW, "chosen": "Red."}], "c.jsonl": [ROW]}
    pairs = assert_the_same(write(tmp_path / "d", files), 3)
    ids = pairs.frame["pair_id"].to_list()
    assert len(set(ids)) == len(ids) == 5
    assert [i.partition("-")[2] for i in ids] == ["", "", "1", "", "2"]


def test_bad_rows_texts_and_template_marks_are_told_alike(tmp_path: Path) -> None:
    marked = {**ROW, "prompt": "[INST] Name a colour. [/INST]"}
    surrogate = '{"prompt": "a \\ud800", "chosen": "b", "rejected": "c"}'
    files = {
        "a.jsonl": ["{no json", marked],
        "b.jsonl": [{**ROW, "chosen": None}, surrogate],
        "c.jsonl": [marked, marked],
    }
    pairs = assert_the_same(write(tmp_path / "d", files), 3, on_error="skip")
    assert len(pairs.rejected) == 2
    assert any("chat-template tokens" in note for note in pairs.notes)
    assert any("invalid Unicode" in note for note in pairs.notes)


def test_the_first_malformed_row_stops_the_reading_wherever_it_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", {"a.jsonl": [ROW], "b.jsonl": [{**ROW, "rejected": None}]})
    with pytest.raises(CurateError) as expected:
        read(folder, None)
    with pytest.raises(CurateError) as there:
        read(folder, PickledWorkers())
    assert str(there.value) == str(expected.value)
    assert "d/b.jsonl" in str(there.value)


def test_real_data_of_several_files() -> None:
    files = len(list((DATA / "llmbar").glob("*.json")))
    assert files > 1
    assert_the_same(DATA / "llmbar", files, on_error="skip")


def test_files_whose_rows_make_pairs_with_each_other_are_read_here(tmp_path: Path) -> None:
    rows = [
        {"prompt": "p", "completion": "good", "label": True},
        {"prompt": "p", "completion": "bad", "label": False},
    ]
    pairs = assert_the_same(write(tmp_path / "d", {"a.jsonl": rows[:1], "b.jsonl": rows[1:]}), 0)
    assert (pairs.format, len(pairs)) == ("unpaired", 1)


def test_large_files_are_read_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "d", {"a.jsonl": [ROW] * 50, "b.jsonl": [ROW]})
    monkeypatch.setattr(convert_blocks, "_MAX_WORKER_BYTES", 200)
    assert_the_same(folder, 1)


@pytest.mark.parametrize("other", [None, {**ROW, "chosen": "Of another machine."}, ROW])
def test_a_machine_that_has_another_file_by_that_name_reads_none(
    other: dict[str, str] | None, tmp_path: Path
) -> None:
    folder = write(tmp_path / "d", {"a.jsonl": [ROW], "b.jsonl": [ROW]})
    other_folder = tmp_path / "kept"

    class Elsewhere(PickledWorkers):
        """On a machine that has none of the files, or others."""

        def map(self, function: Any, *columns: Any) -> Any:
            for row in zip(*columns, strict=True):
                folder.rename(other_folder)
                if other is not None:
                    write(folder, {"a.jsonl": [other], "b.jsonl": [other]})
                (result,) = super().map(function, *([value] for value in row))
                assert result is None
                shutil.rmtree(folder, ignore_errors=True)
                other_folder.rename(folder)
                yield result

    workers = Elsewhere()
    assert_frame_equal(read(folder, workers).frame, read(folder, None).frame)
    assert workers.calls == 2


def test_with_a_limit_no_more_is_read_than_is_wanted(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", {"a.jsonl": [ROW] * 3, "b.jsonl": [ROW] * 3})
    assert len(assert_the_same(folder, 0, limit=4)) == 4
