"""Shards that workers make, one each; their bytes are written here."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import tee
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from curate.data.table import BATCH_ROWS, batches
from curate.write.shards import ShardWriter, schema_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.workers import Part, Workers
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
) -> list[dict[str, Any]]:
    """The same as `write_shards` of the converted rows, where each pair gives one row.

    Args:
        rows: to be written.
        convert: makes columns of the shards from pairs.
        folder: to be made.
        file_type: "parquet" or "jsonl".
        rows_per_shard: rows in one file at most.
        workers: convert and compress.
        advance: is told of rows that are done.
    """
    folder.mkdir()
    # All shards have the columns of the first rows, whoever makes them.
    schema = schema_of(convert(next(rows.parts())))
    make = partial(_shard, convert, file_type, schema, rows_per_shard)
    parts = batches(len(rows), rows_per_shard) or [slice(0, 0)]
    found = list[dict[str, Any]]()
    for own, content in zip(parts, workers.map(make, *_pieces(rows, parts, workers)), strict=True):
        path = folder / f"part-{len(found):05d}.{file_type}"
        path.write_bytes(content.data)
        place = path.relative_to(folder.parent).as_posix()
        found.append({"path": place, "rows": own.stop - own.start, "bytes": len(content)})
        advance(own.stop - own.start)
    return found


def as_it_is(pairs: pl.DataFrame) -> pl.DataFrame:
    """The pair table itself."""
    return pairs


def _pieces(rows: Rows, shards: Sequence[slice], workers: Workers) -> list[Iterator[Part | None]]:
    """The first piece of each shard, the second one of each, and so on; None where it has fewer.

    A whole shard would be held here in two or three copies while it is sent.
    """
    count = len(batches(shards[0].stop, BATCH_ROWS) or shards)

    def sent(shard: slice) -> list[Part | None]:
        own = rows.between(shard.start, shard.stop)
        pieces = batches(len(own), BATCH_ROWS) or [slice(0, 0)]
        placed = workers.place(_table(own.between(piece.start, piece.stop)) for piece in pieces)
        return [*placed, *[None] * (count - len(placed))]

    each = tee(map(sent, shards), count)
    return [map(itemgetter(number), own) for number, own in enumerate(each)]


def _table(rows: Rows) -> pa.Table:
    """The rows in Arrow's older form of texts, which holds nothing of other rows."""
    oldest = pl.CompatLevel.oldest()
    return pa.concat_tables(frame.to_arrow(compat_level=oldest) for frame in rows.parts())


def _shard(
    convert: Convert, file_type: str, schema: pa.Schema, size: int, *pieces: pa.Table | None
) -> NDArray[np.uint8]:
    """The content of one shard; as an array it lies where it came from until it is written."""
    with tempfile.TemporaryDirectory() as place:
        with ShardWriter(Path(place) / "shard", file_type, size, schema=schema) as writer:
            for pairs in pieces:
                if pairs is not None:
                    writer.write(convert(pl.DataFrame(pl.from_arrow(pairs))))
        (path,) = (Path(place) / "shard").iterdir()
        return np.fromfile(path, dtype=np.uint8)
