"""Where a run keeps what is as long as its input: in memory, or in mapped files of a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from curate.data.table import BATCH_ROWS

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray


_MOST_BYTES = 64 * 2**20
"""Of rows that wait to be written in one piece."""


def mapped(path: Path) -> pl.DataFrame:
    """The rows of an Arrow file, which come into memory page by page as they are used."""
    return pl.DataFrame(pl.from_arrow(pa.ipc.open_file(pa.memory_map(str(path))).read_all()))


def _compact(frame: pl.DataFrame) -> pl.DataFrame:
    """The same rows with texts in buffers of their own.

    Texts are written as views, which are mapped as they lie in the file; of the form of other
    libraries views would be made in memory, 16 bytes a text. But a view is written with all that
    its buffer holds, which for rows taken out of others may be a whole table.
    """
    return pl.DataFrame(pl.from_arrow(frame.to_arrow(compat_level=pl.CompatLevel.oldest())))


class Spool:
    """Frames of one schema, written one after another and read back as one.

    Args:
        path: an Arrow file, from which the whole is mapped into memory page by page as it is used;
            None keeps the frames as they are.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._frames: list[pl.DataFrame] = []
        # Of the frames that wait to be written.
        self._rows = self._bytes = 0
        self._file: pa.OSFile | None = None
        self._writer: pa.RecordBatchFileWriter | None = None

    def write(self, frame: pl.DataFrame) -> None:
        """Add rows; the first frame gives the schema."""
        if self.path is None:
            self._frames.append(frame)
            return
        start = 0
        # A frame without rows counts as well: it may be the only one.
        while start < len(frame) or not (self._frames or self._writer):
            # A part at a time: all rows of a long frame would be held once more.
            part = frame[start : start + BATCH_ROWS - self._rows]
            self._frames.append(part)
            start, self._rows = start + len(part), self._rows + len(part)
            self._bytes += int(part.estimated_size())
            # Pieces of a mapped table are as long as the batches that it is later read by: a batch
            # of two pieces is copied before rows are taken out of it, and each piece takes 50 KB.
            # Images may fill memory before so many rows are there.
            if self._rows == BATCH_ROWS or self._bytes > _MOST_BYTES:
                self._flush()

    def _flush(self) -> None:
        """Write what waits as one piece."""
        whole = _compact(pl.concat(self._frames, rechunk=True))
        self._frames.clear()
        self._rows = self._bytes = 0
        table = whole.to_arrow(compat_level=pl.CompatLevel.newest())
        if self._writer is None:
            self._file = pa.OSFile(str(self.path), "wb")
            self._writer = pa.ipc.new_file(self._file, table.schema)
        self._writer.write_table(table)

    def frame(self) -> pl.DataFrame:
        """All rows; nothing may be written after it. At least one frame must have been."""
        if self.path is None:
            return pl.concat(self._frames)
        if self._frames:
            self._flush()
        self.close()
        return mapped(self.path)

    def close(self) -> None:
        """End the file."""
        if self._writer is not None and self._file is not None:
            self._writer.close()
            self._file.close()
            self._writer = self._file = None


class Workspace:
    """Gives room to tables and arrays of a run.

    Args:
        folder: for files, which somebody else removes after the run; None: all stays in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._taken = 0

    def spool(self, name: str) -> Spool:
        """Room for a table."""
        return Spool(self._place(name, "arrow"))

    def collect(self, name: str, frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
        """The frames as one."""
        with closing(self.spool(name)) as spool:
            for frame in frames:
                spool.write(frame)
            return spool.frame()

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Room for an array of zeros."""
        path = self._place(name, "npy")
        if path is None or 0 in shape:
            return np.zeros(shape, dtype=dtype)
        room = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
        # A disk that turns out too small at the first write to a mapped page kills the process.
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        return room

    def kept(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """The values in room of the workspace: what is held long need not lie in memory."""
        if self.folder is None:
            return values
        room = self.array(name, values.shape, values.dtype)
        room[...] = values
        return room

    def _place(self, name: str, ending: str) -> Path | None:
        if self.folder is None:
            return None
        self._taken += 1
        plain = re.sub(r"[^\w.-]", "_", name)
        return self.folder / f"{self._taken:03d}-{plain}.{ending}"
