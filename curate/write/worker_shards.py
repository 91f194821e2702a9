"""Shards that workers make, one each; their bytes are written here."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from curate.data.table import batches
from curate.write.shards import ShardWriter, schema_of

if TYPE_CHECKING:
    from curate.data.pair_rows import PairRows
    from curate.steps.workers import Workers

Convert = Callable[[pl.DataFrame], pl.DataFrame]


def shards_by_workers(
    rows: PairRows,
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
    found = []
    for number, content in enumerate(workers.map(make, _tables(rows, parts))):
        path = folder / f"part-{number:05d}.{file_type}"
        path.write_bytes(content)
        own = parts[number]
        place = path.relative_to(folder.parent).as_posix()
        found.append({"path": place, "rows": own.stop - own.start, "bytes": len(content)})
        advance(own.stop - own.start)
    return found


def as_it_is(pairs: pl.DataFrame) -> pl.DataFrame:
    """The pair table itself."""
    return pairs


def _tables(rows: PairRows, parts: Sequence[slice]) -> Iterator[pa.Table]:
    """The pairs of one shard after another."""
    for part in parts:
        frames = rows.between(part.start, part.stop).parts()
        yield pa.concat_tables(f.to_arrow(compat_level=pl.CompatLevel.oldest()) for f in frames)


def _shard(
    convert: Convert, file_type: str, schema: pa.Schema, size: int, pairs: pa.Table
) -> bytes:
    """The content of one shard."""
    with tempfile.TemporaryDirectory() as place:
        with ShardWriter(Path(place) / "shard", file_type, size, schema=schema) as writer:
            for batch in pairs.to_batches() or [pairs]:
                writer.write(convert(pl.DataFrame(pl.from_arrow(batch))))
        (path,) = (Path(place) / "shard").iterdir()
        return path.read_bytes()
