"""Shards that workers make hold what shards that are written here hold."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pyarrow import parquet

from curate.data.row_selection import RowSelection
from curate.write import worker_shards
from curate.write.exports import get_export
from curate.write.shards import write_shards
from curate.write.worker_shards import identity, shards_by_workers
from tests.helpers import numbered_pairs
from tests.workers import PickledWorkers


@pytest.mark.parametrize("form", ["trl", "openrlhf", "pairs"])
@pytest.mark.parametrize("file_type", ["parquet", "jsonl"])
@pytest.mark.parametrize("count", [0, 1, 20, 50])
@pytest.mark.parametrize("piece", [8, 8192])
def test_the_same_rows_in_the_same_shards(
    form: str,
    file_type: str,
    count: int,
    piece: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_shards, "BATCH_ROWS", piece)
    export, progress = get_export(form), []
    schema = export.schema()
    rows = RowSelection.from_table(numbered_pairs(70)).where(np.arange(70) % 7 * 10 + 10 <= count)
    weights = pl.DataFrame({"weight": np.linspace(0.0, 1.0, len(rows))})
    rows = rows.with_columns(weights) if form == "pairs" else rows
    workers = PickledWorkers()
    shards = shards_by_workers(
        rows,
        partial(export.convert, schema=schema),
        tmp_path / "there",
        file_type,
        20,
        workers,
        progress.append,
    )
    parts = export.stream(rows.iter_batches(rows.columns), schema)
    expected = write_shards(parts, tmp_path / "here", file_type, 20)
    assert [shard.rows for shard in shards] == [shard.rows for shard in expected]
    assert [Path(shard.path).name for shard in shards] == [
        Path(shard.path).name for shard in expected
    ]
    assert sum(progress) == len(rows)
    assert workers.calls == len(shards)
    for one, other in zip(shards, expected, strict=True):
        path = tmp_path / one.path
        assert path.stat().st_size == one.bytes
        if file_type == "jsonl":
            assert path.read_bytes() == (tmp_path / other.path).read_bytes()
        else:
            own_table, expected_table = (
                parquet.read_table(tmp_path / s.path) for s in (one, other)
            )
            assert own_table.schema == expected_table.schema
            assert own_table.equals(expected_table)


def test_a_pair_table_is_read_back_as_it_is(tmp_path: Path) -> None:
    pairs = numbered_pairs(30)
    rows = RowSelection.from_table(pairs).row_range(5, 25)
    workers = PickledWorkers()
    shards_by_workers(rows, identity, tmp_path / "p", "parquet", 8, workers, lambda _: None)
    written_rows = pl.concat([pl.read_parquet(p) for p in sorted((tmp_path / "p").iterdir())])
    assert_frame_equal(written_rows, pairs[5:25])
