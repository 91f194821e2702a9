"""Blocks on their way to workers, without any cluster."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa
import pytest

from curate.pipeline.engines import ray_blocks
from curate.pipeline.engines.ray_blocks import put_in_windows, resize_frames


def test_a_window_is_given_before_the_next_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_blocks, "WINDOW_BYTES", 16)
    made_blocks: list[int] = []

    def blocks() -> Iterator[pa.Table]:
        for number in range(5):
            made_blocks.append(number)
            yield pa.table({"n": pa.array([number], pa.int64())})

    block_windows = put_in_windows(blocks(), lambda block: block["n"][0].as_py())
    assert next(block_windows) == [0, 1]
    assert made_blocks == [0, 1]
    assert list(block_windows) == [[2, 3], [4]]
    assert list(put_in_windows(iter([]), print)) == []


def test_frames_come_back_in_the_sizes_that_went() -> None:
    tables = (pa.table({"n": part}) for part in ([0, 1, 2], [3], [4, 5, 6, 7]))
    frames = [frame["n"].to_list() for frame in resize_frames(tables, [2, 4, 0, 2])]
    assert frames == [[0, 1], [2, 3, 4, 5], [], [6, 7]]
    assert all(isinstance(frame, pl.DataFrame) for frame in resize_frames(iter([]), []))
