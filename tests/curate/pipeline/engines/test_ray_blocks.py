"""Blocks on their way to workers, without any cluster."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa
import pytest

from curate.pipeline.engines import ray_blocks
from curate.pipeline.engines.ray_blocks import in_sizes, windows


def test_a_window_is_given_before_the_next_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_blocks, "WINDOW_BYTES", 16)
    made: list[int] = []

    def blocks() -> Iterator[pa.Table]:
        for number in range(5):
            made.append(number)
            yield pa.table({"n": pa.array([number], pa.int64())})

    found = windows(blocks(), lambda block: block["n"][0].as_py())
    assert next(found) == [0, 1]
    assert made == [0, 1]
    assert list(found) == [[2, 3], [4]]
    assert list(windows(iter([]), print)) == []


def test_frames_come_back_in_the_sizes_that_went() -> None:
    tables = (pa.table({"n": part}) for part in ([0, 1, 2], [3], [4, 5, 6, 7]))
    found = [frame["n"].to_list() for frame in in_sizes(tables, [2, 4, 0, 2])]
    assert found == [[0, 1], [2, 3, 4, 5], [], [6, 7]]
    assert all(isinstance(frame, pl.DataFrame) for frame in in_sizes(iter([]), []))
