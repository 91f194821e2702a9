"""Shards that workers make, one each; their bytes are written here."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import tee
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from curate.data.table import BATCH_ROWS, batch_slices
from curate.write.manifest import ShardFile
from curate.write.shards import ShardWriter, schema_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.workers import RemoteValue, Workers
    from curate.write.drawn_rows import Rows

Convert = Callable[[pl.DataFrame], pl.DataFrame]


def shards_by_workers(
    rows: Rows,
    convert: Convert,
    folder: Path,
    file_type: str,
    rows_per_shard: int,
    workers: Workers,
    advance: Callable[[int], None],
) -> list[ShardFile]:
    """Return the same as `write_shards` of the converted rows, where each pair gives one row.

    Args:
        rows: to be written.
        convert: makes columns of the shards from pairs.
        folder: to be made.
        file_type: "parquet" or "jsonl".
        rows_per_shard: rows in one file at most.
        workers: convert and compress.
        advance: called with the number of rows that are done.
    """
    folder.mkdir()
    # All shards have the columns of the first rows, whoever makes them.
    schema = schema_of(convert(next(rows.iter_batches())))
    make = partial(_write_shard, convert, file_type, schema, rows_per_shard)
    parts = batch_slices(len(rows), rows_per_shard) or [slice(0, 0)]
    shards = list[ShardFile]()
    for shard_pieces, content in zip(
        parts, workers.map(make, *_split_pieces(rows, parts, workers)), strict=True
    ):
        path = folder / f"part-{len(shards):05d}.{file_type}"
        path.write_bytes(content.data)
        place = path.relative_to(folder.parent).as_posix()
        count = shard_pieces.stop - shard_pieces.start
        shards.append(ShardFile(place, len(content), count))
        advance(count)
    return shards


def identity(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the pair table itself."""
    return pairs


def _split_pieces(
    rows: Rows, shards: Sequence[slice], workers: Workers
) -> list[Iterator[RemoteValue | None]]:
    """Return the first piece of each shard, then the second ones, ...; None if a shard has fewer.

    A whole shard would be held here in two or three copies while it is placed.
    """
    count = len(batch_slices(shards[0].stop, BATCH_ROWS) or shards)

    def shard_pieces(shard: slice) -> list[RemoteValue | None]:
        shard_rows = rows.row_range(shard.start, shard.stop)
        pieces = batch_slices(len(shard_rows), BATCH_ROWS) or [slice(0, 0)]
        placed = workers.place(
            _to_table(shard_rows.row_range(piece.start, piece.stop)) for piece in pieces
        )
        return [*placed, *[None] * (count - len(placed))]

    each = tee(map(shard_pieces, shards), count)
    return [map(itemgetter(number), piece_values) for number, piece_values in enumerate(each)]


def _to_table(rows: Rows) -> pa.Table:
    """Return the rows with Arrow's older text type, whose buffers hold no other rows."""
    oldest = pl.CompatLevel.oldest()
    return pa.concat_tables(frame.to_arrow(compat_level=oldest) for frame in rows.iter_batches())


def _write_shard(
    convert: Convert, file_type: str, schema: pa.Schema, size: int, *pieces: pa.Table | None
) -> NDArray[np.uint8]:
    """Return the content of one shard, as an array that is not copied until it is written."""
    with tempfile.TemporaryDirectory() as place:
        with ShardWriter(Path(place) / "shard", file_type, size, schema=schema) as writer:
            for pairs in pieces:
                if pairs is not None:
                    writer.write(convert(pl.DataFrame(pl.from_arrow(pairs))))
        (path,) = (Path(place) / "shard").iterdir()
        return np.fromfile(path, dtype=np.uint8)
