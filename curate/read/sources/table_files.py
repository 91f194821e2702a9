"""CSV, Parquet and Arrow files, in record batches."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from curate.errors import CurateError
from curate.read.sources.blocks import ArrowBlock, Block
from curate.read.sources.json_files import BLOCK_ROWS, open_binary

_CSV_BLOCK_BYTES = 1 << 26
"""A row must fit into one block of the CSV reader."""


@contextmanager
def _user_errors(url: str, kind: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeDecodeError) as error:
        raise CurateError(
            f"the file could not be read as {kind}", where=url, found=str(error).splitlines()[0]
        ) from None


def read_parquet(url: str) -> Iterator[Block]:
    """Blocks of a Parquet file."""
    with _user_errors(url, "Parquet"), open_binary(url) as file:
        yield from _numbered(pa_parquet.ParquetFile(file).iter_batches(batch_size=BLOCK_ROWS))


def read_arrow(url: str) -> Iterator[Block]:
    """Blocks of an Arrow file, in the file or in the stream form."""
    with _user_errors(url, "Arrow"), open_binary(url) as file:
        magic = file.read(6)
        file.seek(0)
        if magic == b"ARROW1":
            reader = pa.ipc.open_file(file)
            yield from _numbered(reader.get_batch(i) for i in range(reader.num_record_batches))
        else:
            yield from _numbered(pa.ipc.open_stream(file))


def read_csv(url: str) -> Iterator[Block]:
    """Blocks of a comma-separated file with a header; every value is text."""
    return _read_separated(url, ",")


def read_tsv(url: str) -> Iterator[Block]:
    """Blocks of a tab-separated file with a header; every value is text."""
    return _read_separated(url, "\t")


def _read_separated(url: str, separator: str) -> Iterator[Block]:
    with _user_errors(url, "CSV"):
        with open_binary(url) as file:
            head = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            names = next(csv.reader(head, delimiter=separator))
        broken: dict[int, str] = {}

        def on_bad_row(row: pa_csv.InvalidRow) -> str:
            columns = f"{row.actual_columns} columns, the header has {row.expected_columns}"
            # The reader counts the header as row 1.
            broken[(row.number or 1) - 1] = f"the row has {columns}"
            return "skip"

        with open_binary(url) as file:
            reader = pa_csv.open_csv(
                file,
                read_options=pa_csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK_BYTES),
                parse_options=pa_csv.ParseOptions(
                    delimiter=separator,
                    newlines_in_values=True,
                    invalid_row_handler=on_bad_row,
                ),
                convert_options=pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
            yield from _numbered(reader, broken)


def _numbered(
    batches: Iterator[pa.RecordBatch], broken: dict[int, str] | None = None
) -> Iterator[Block]:
    """Blocks with the rows' numbers in the file, leaving out the numbers of broken rows."""
    broken = {} if broken is None else broken
    first = 1
    for batch in batches:
        table = pa.Table.from_batches([batch])
        for start in range(0, len(table), BLOCK_ROWS):
            rows = table.slice(start, BLOCK_ROWS)
            end, found = first + len(rows), {}
            for number in sorted(broken):  # the reader may have met rows of later blocks
                if number < end:
                    found[number] = broken.pop(number)
                    end += 1
            yield ArrowBlock(rows, [n for n in range(first, end) if n not in found], found)
            first = end
