"""Small blocks of many files, converted together: each conversion takes ten milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import orjson
import polars as pl

from curate.errors import CurateError
from curate.read.convert_blocks import convert_blocks
from curate.read.embedded_json import parse_embedded_messages
from curate.read.formats import ROW
from curate.read.formats.base import BoundFormat
from curate.read.sources import RowBlock
from curate.read.sources.python_block import PythonBlock

Locate = Callable[[pl.Series], pl.DataFrame]
"""Gives `file` and `row` of rows by their numbers."""
Located = tuple[pl.DataFrame, Locate]
"""Converted rows, and where they stand."""

# A block of its own is converted by itself from this many rows on.
_SMALL_ROWS = 256
_MAX_ROWS, _MAX_BYTES = 4096, 8 << 20
ANY_FILE = "\x00"
"""Stands for the files where rows name no source; no file has such a name."""
_JSON_STARTS = ("[", "{", '"')

Shape = frozenset[tuple[str, str]]


@dataclass
class BlockGroup:
    """Blocks that are converted as one, with the place of each row.

    Attributes:
        shape: kinds of the values of each key, the same in all blocks.
    """

    shape: Shape
    _blocks: list[tuple[PythonBlock, str]] = field(default_factory=list)
    _rows: int = 0
    _bytes: int = 0

    def add(self, block: PythonBlock, label: str, size: int) -> None:
        """Add a block of the same shape."""
        self._blocks.append((block, label))
        self._rows, self._bytes = self._rows + len(block), self._bytes + size

    def accepts(self, shape: Shape, block: PythonBlock, size: int) -> bool:
        """Return whether a block may be added."""
        fits = self._rows + len(block) <= _MAX_ROWS and self._bytes + size <= _MAX_BYTES
        return fits and shape == self.shape

    def convert(self, fmt: BoundFormat | None) -> Iterator[Located]:
        """Yield the converted rows.

        A format that refuses the rows is asked again block by block, to name the right file.
        """
        try:
            (rows,) = convert_blocks(lambda: fmt, [self._merged()], ANY_FILE)
        except CurateError:
            for block, label in self._blocks:
                for rows in convert_blocks(lambda: fmt, [block], label):
                    yield rows, partial(locate_in_file, label)
            return
        file = self._locate(rows[ROW])["file"]
        source = pl.when(pl.col("source") == ANY_FILE).then(file).otherwise("source")
        yield rows.with_columns(source=source), self._locate

    def _merged(self) -> PythonBlock:
        """Return all rows, numbered from 0 in the order of the blocks."""
        merged, start = PythonBlock(), 0
        for block, _ in self._blocks:
            order = {number: i for i, number in enumerate(_row_numbers(block), start)}
            merged.rows += block.rows
            merged.numbers += [order[number] for number in block.numbers]
            merged.broken |= {order[number]: reason for number, reason in block.broken.items()}
            start += len(block)
        return merged

    def _locate(self, numbers: pl.Series) -> pl.DataFrame:
        """Return file and row of rows by the numbers that `_merged` gave."""
        rows = [number for block, _ in self._blocks for number in _row_numbers(block)]
        labels = pl.Series([label for _, label in self._blocks], dtype=pl.String)
        sizes = [len(block) for block, _ in self._blocks]
        positions = numbers.to_numpy()
        files = labels.gather(np.repeat(np.arange(len(sizes)), sizes)[positions])
        row = pl.Series(np.array(rows, dtype=np.int64)[positions], dtype=pl.Int64)
        return pl.DataFrame({"file": files, "row": row})


def locate_in_file(label: str, numbers: pl.Series) -> pl.DataFrame:
    """Return file and row of rows of one file."""
    file = pl.repeat(label, len(numbers), dtype=pl.String, eager=True)
    return pl.DataFrame({"file": file, "row": numbers.cast(pl.Int64)})


def small_block(block: RowBlock) -> tuple[PythonBlock, Shape, int] | None:
    """Return a block that can be converted with others, with shape and bytes; None for others.

    What a column holds is found out for a block as a whole: only rows whose values are of the same
    kinds give the same pairs together as apart.
    """
    if type(block) is not PythonBlock or len(block) >= _SMALL_ROWS:
        return None
    try:
        size = len(orjson.dumps(block.rows))
    except TypeError:  # values beyond those of plain JSON
        return None
    kinds = {
        (key, _kind(value)) for row in block.rows for key, value in row.items() if value is not None
    }
    return block, frozenset(kinds), size


def _kind(value: object) -> str:
    if isinstance(value, str):
        if value.lstrip()[:1] not in _JSON_STARTS:
            return "text"
        return "json text" if isinstance(parse_embedded_messages(value), str) else "messages text"
    return "number" if isinstance(value, (bool, int, float)) else type(value).__name__


def _row_numbers(block: PythonBlock) -> list[int]:
    """Return the numbers of all rows of the block in order, broken ones included."""
    return sorted([*block.numbers, *block.broken])
