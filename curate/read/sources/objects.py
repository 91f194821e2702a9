"""Rows in memory: datasets of the `datasets` library, frames, tables, lists of dicts."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from itertools import islice
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from curate.errors import CurateError, first_line
from curate.read.sources.arrow_block import ArrowBlock
from curate.read.sources.blocks import RowBlock
from curate.read.sources.find_files import RowSource
from curate.read.sources.hub import dataset_blocks, select_split
from curate.read.sources.json_files import BLOCK_ROWS
from curate.read.sources.python_block import PythonBlock

_JSON = (str, int, float, bool)
# Python reads and writes integers of at most 4,300 digits.
_MAX_BITS = 14_000
_READABLE_TYPES = (
    "a path, or a datasets.Dataset, DatasetDict or IterableDataset, a polars or pandas frame, an "
    "Arrow table, or a list of dicts"
)


def object_source(data: Any, split: str | None) -> RowSource:
    """Return the rows of an object; of a DatasetDict the named split, else the only one or `train`.

    Raises:
        CurateError: it is of a type that holds no rows, with the types that are taken.
    """
    name = type(data).__name__
    read_blocks = _dataset_reader(data, split) or _frame_reader(data)
    if read_blocks is not None:
        return RowSource(name, read_blocks)
    if isinstance(data, Mapping) or not isinstance(data, Iterable) or isinstance(data, bytes):
        raise CurateError(
            "no pairs can be read from this object",
            where="read_pairs",
            found=f"{type(data).__module__}.{name}",
            expected=_READABLE_TYPES,
        )
    return RowSource(name, lambda: _dict_blocks(data))


def _dataset_reader(data: Any, split: str | None) -> Any:
    """Return a reader of an object of `datasets`; None for other objects."""
    library = sys.modules.get("datasets")
    if library is None:
        return None
    if isinstance(data, (library.DatasetDict, library.IterableDatasetDict)):
        data = select_split(data, split, type(data).__name__)
    if isinstance(data, library.Dataset):
        return lambda: dataset_blocks(data)
    if isinstance(data, library.IterableDataset):
        # Files of media stay bytes.
        return lambda: _dict_blocks(data.decode(False))
    return None


def _frame_reader(data: Any) -> Any:
    """Return a reader of a frame or table; None for other objects."""
    if isinstance(data, pl.LazyFrame):
        data = data.collect()
    if isinstance(data, pl.DataFrame):
        data = data.to_arrow(compat_level=pl.CompatLevel.oldest())
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        data = _from_pandas(data)
    if isinstance(data, pa.RecordBatch):
        data = pa.Table.from_batches([data])
    if isinstance(data, pa.RecordBatchReader):
        data = data.read_all()
    if isinstance(data, pa.Table):
        return lambda: _table_blocks(data)
    return None


def _from_pandas(data: Any) -> pa.Table:
    if any(name is not None for name in data.index.names):
        data = data.reset_index()  # an index with a name is a column
    try:
        return pa.Table.from_pandas(data, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise CurateError(
            "the pandas frame cannot be read",
            where="read_pairs",
            found=first_line(error),
            expected="columns of different names, each of one kind of values",
            fix="fix the frame, or pass frame.to_dict('records') to see which row is wrong",
        ) from None


def _table_blocks(table: pa.Table) -> Iterator[RowBlock]:
    for start in range(0, len(table), BLOCK_ROWS):
        batch = table.slice(start, BLOCK_ROWS)
        yield ArrowBlock(batch, range(start + 1, start + 1 + len(batch)))


def _dict_blocks(rows: Iterable[Any]) -> Iterator[RowBlock]:
    stream, first_number = iter(rows), 1
    while batch := list(islice(stream, BLOCK_ROWS)):
        block = PythonBlock()
        for number, row in enumerate(batch, first_number):
            if not isinstance(row, Mapping):
                block.broken[number] = f"is {type(row).__name__}; expected a dict"
                continue
            try:
                plain_row = {key: _as_json_value(value) for key, value in row.items()}
            except RecursionError:
                block.broken[number] = "nested too deeply"
            except ValueError as error:
                block.broken[number] = str(error)
            else:
                block.add(number, plain_row)
        yield block
        first_number += len(batch)


def _as_json_value(value: object) -> object:  # noqa: PLR0911 (one answer a type)
    """Return a value as JSON would give it, at any depth: numpy, pandas, Pillow, tuples.

    Raises:
        ValueError: an integer is too long to be written.
    """
    if value is None or type(value) in _JSON:
        if type(value) is int and value.bit_length() > _MAX_BITS:
            raise ValueError(f"holds an integer of {value.bit_length()} bits")
        return value
    if isinstance(value, Mapping):
        return {key: _as_json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json_value(item) for item in value]
    if isinstance(value, np.ndarray):
        # Printed, a long array would lose its middle.
        return _as_json_value(value.tolist())
    if isinstance(value, np.datetime64):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str):
        return str(value)
    if _is_missing(value):
        return None
    return {"bytes": _encode_png(value), "path": None} if _is_image(value) else value


def _is_missing(value: object) -> bool:
    """Return whether it is what pandas, if it is imported, has in the place of a missing value."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is pandas.NA or value is pandas.NaT)


def _is_image(value: object) -> bool:
    """Return whether it is an image of Pillow, which is imported already if there is one."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def _encode_png(image: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
