"""Parquet and Arrow files, in record batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pa_parquet

from curate.data.columnar import parquet_batch_rows
from curate.errors import CurateError, first_line
from curate.read.sources import arrow_types
from curate.read.sources.arrow_block import ArrowBlock
from curate.read.sources.blocks import RowBlock
from curate.read.sources.data_file import DataFile, check_names
from curate.read.sources.json_files import BLOCK_ROWS

_FILE_MAGIC = b"ARROW1"


def read_parquet(file: DataFile) -> Iterator[RowBlock]:
    """Yield blocks of a Parquet file; checksums of its pages are verified if it has any."""
    position = _ReadPosition(file, "Parquet")
    with file.seekable() as opened, position.as_damage():
        # Without a buffer ahead, which would hold all row groups until the last is read.
        parquet = pa_parquet.ParquetFile(opened, page_checksum_verification=True, pre_buffer=False)
        rows = parquet_batch_rows(parquet.metadata, BLOCK_ROWS)
        yield from position.blocks(parquet.schema_arrow, parquet.iter_batches(batch_size=rows))


def read_arrow(file: DataFile) -> Iterator[RowBlock]:
    """Yield blocks of an Arrow file, in the file or in the stream form."""
    position = _ReadPosition(file, "Arrow")
    with file.seekable() as opened, position.as_damage():
        magic = opened.read(len(_FILE_MAGIC))
        opened.seek(0)
        if magic == _FILE_MAGIC:
            arrow_file = pa.ipc.open_file(opened)
            batches = (arrow_file.get_batch(i) for i in range(arrow_file.num_record_batches))
            yield from position.blocks(arrow_file.schema, batches)
        else:
            stream = pa.ipc.open_stream(opened)
            yield from position.blocks(stream.schema, stream)
            # Of concatenated streams the reader takes only the first: refuse the others.
            if opened.read(1):
                raise file.damaged("bytes follow the end of the stream", position.row)


class _ReadPosition:
    """How far a columnar file was read, for errors."""

    def __init__(self, file: DataFile, kind: str) -> None:
        self._file, self._kind, self._rows = file, kind, 0

    @contextmanager
    def as_damage(self) -> Iterator[None]:
        """Raise errors of the Arrow library as damage of the file."""
        try:
            yield
        except CurateError:
            raise
        except Exception as error:  # damaged lengths end in errors of many kinds
            raise self._file.damaged(
                f"it could not be read as {self._kind}: {first_line(error)}", self.row
            ) from None

    @property
    def row(self) -> str:
        """The last row that was read."""
        return f"row {self._rows:,}" if self._rows else "its start"

    def blocks(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[RowBlock]:
        """Yield blocks of at most `BLOCK_ROWS` rows, each checked before its values are used."""
        check_names(schema.names, self._file)
        for batch in batches:
            for column in batch.columns:
                arrow_types.check_offsets(column)
            table = pa.Table.from_batches([batch])
            for start in range(0, len(table), BLOCK_ROWS):
                rows = table.slice(start, BLOCK_ROWS)
                first_number = self._rows + 1
                self._rows += len(rows)
                yield ArrowBlock(rows, range(first_number, self._rows + 1))
