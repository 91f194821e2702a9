from __future__ import annotations

import os
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from curate import CurateError
from curate.store import scratch
from curate.store.scratch import ScratchSpace
from curate.write.run_folder import scratch_space
from tests.helpers import numbered_pairs


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_table_comes_back_as_it_was_written(tmp_path: Path, on_disk: bool) -> None:
    pairs = numbered_pairs(50)
    scratch = ScratchSpace(tmp_path if on_disk else None)
    with closing(scratch.frame_writer("a/b c")) as spool:
        spool.write(pairs[:20])
        spool.write(pairs[20:])
        table = spool.frame()
    assert table.equals(pairs)
    assert scratch.collect("empty", iter([pairs.head(0)])).equals(pairs.head(0))
    assert len(list(tmp_path.iterdir())) == (2 if on_disk else 0)


def test_pieces_of_a_mapped_table_are_as_long_as_the_batches_it_is_read_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "BATCH_ROWS", 8)
    pairs = numbered_pairs(50)
    ends = [0, 3, 7, 7, 26, 29, 50]
    parts = [pairs[first:end] for first, end in pairwise(ends)]
    table = ScratchSpace(tmp_path).collect("pairs", iter(parts))
    assert table.equals(pairs)
    assert [len(piece) for piece in table["prompt"].get_chunks()] == [8] * 6 + [2]
    # However few rows they have.
    monkeypatch.setattr(scratch, "_MOST_BYTES", 1)
    table = ScratchSpace(tmp_path).collect("large", iter(parts))
    assert table.equals(pairs)
    assert [len(piece) for piece in table["prompt"].get_chunks()][:4] == [3, 4, 8, 8]


@pytest.mark.parametrize("on_disk", [False, True])
def test_an_array_has_its_room(tmp_path: Path, on_disk: bool) -> None:
    scratch = ScratchSpace(tmp_path if on_disk else None)
    array = scratch.array("x", (7, 3), "float16")
    array[2] = 1.5
    assert (array.shape, array.dtype, float(array.sum())) == ((7, 3), np.dtype("float16"), 4.5)
    assert isinstance(array, np.memmap) == on_disk
    assert scratch.array("none", (0, 3), "float32").shape == (0, 3)


@pytest.mark.parametrize("on_disk", [False, True])
def test_values_are_kept_as_they_are(tmp_path: Path, on_disk: bool) -> None:
    values = np.arange(6, dtype=np.int8).reshape(2, 3)
    persisted = ScratchSpace(tmp_path if on_disk else None).persist_array("x", values)
    assert np.array_equal(persisted, values)
    assert persisted.dtype == values.dtype
    assert isinstance(persisted, np.memmap) == on_disk


def test_a_mapped_table_outlives_its_file(tmp_path: Path) -> None:
    with scratch_space(tmp_path / "run") as scratch:
        table = scratch.collect("pairs", iter([numbered_pairs(9)]))
        assert scratch.folder is not None
        assert scratch.folder.exists()
    assert not scratch.folder.exists()
    assert table.equals(numbered_pairs(9))


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    with scratch_space(tmp_path / "run") as scratch:
        assert scratch.folder is not None
        name = scratch.folder.name
    stale_folder = tmp_path / name.replace(str(os.getpid()), "999999")
    stale_folder.mkdir()
    with scratch_space(tmp_path / "run"):
        assert not stale_folder.exists()


def test_a_full_disk_is_the_users_error_and_others_are_not(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="disk is full"), scratch_space(tmp_path / "run"):
        raise OSError(28, "No space left on device")
    with pytest.raises(FileNotFoundError), scratch_space(tmp_path / "run"):
        raise FileNotFoundError(2, "a model")


def test_a_run_leaves_no_room_behind(tmp_path: Path) -> None:
    from curate import Pairs, Pipeline

    config = {"scorers": [{"type": "lengths"}], "store": None}
    result = Pipeline(config).run(Pairs(numbered_pairs(5)), output=tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert isinstance(result.scores, pl.DataFrame)
    assert result.scores["lengths.chosen"].to_list() == [6] * 5
