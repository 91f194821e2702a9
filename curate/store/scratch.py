"""Space for a run's arrays and tables: in memory, or in mapped files of a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import closing
from itertools import count
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


def memory_map_frame(path: Path) -> pl.DataFrame:
    """Return the rows of an Arrow file, memory-mapped page by page."""
    return pl.DataFrame(pl.from_arrow(pa.ipc.open_file(pa.memory_map(str(path))).read_all()))


def _compact_texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the same rows with texts copied to compact buffers.

    Texts are written as views, which are mapped as they lie in the file; of the form of other
    libraries views would be made in memory, 16 bytes a text. But a view is written with all that
    its buffer holds, which for rows taken out of others may be a whole table.
    """
    return pl.DataFrame(pl.from_arrow(frame.to_arrow(compat_level=pl.CompatLevel.oldest())))


class FrameWriter:
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
            piece = frame[start : start + BATCH_ROWS - self._rows]
            self._frames.append(piece)
            start, self._rows = start + len(piece), self._rows + len(piece)
            self._bytes += int(piece.estimated_size())
            # Pieces of a mapped table are as long as the batches that it is later read by: a batch
            # of two pieces is copied before rows are taken out of it, and each piece takes 50 KB.
            # Images may fill memory before so many rows are there.
            if self._rows == BATCH_ROWS or self._bytes > _MOST_BYTES:
                self._flush()

    def _flush(self) -> None:
        """Write what waits as one piece."""
        frame = _compact_texts(pl.concat(self._frames, rechunk=True))
        self._frames.clear()
        self._rows = self._bytes = 0
        table = frame.to_arrow(compat_level=pl.CompatLevel.newest())
        if self._writer is None:
            self._file = pa.OSFile(str(self.path), "wb")
            self._writer = pa.ipc.new_file(self._file, table.schema)
        self._writer.write_table(table)

    def frame(self) -> pl.DataFrame:
        """Return all rows and end writing; at least one frame must have been written."""
        if self.path is None:
            return pl.concat(self._frames)
        if self._frames:
            self._flush()
        self.close()
        return memory_map_frame(self.path)

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None and self._file is not None:
            self._writer.close()
            self._file.close()
            self._writer = self._file = None


class ScratchSpace:
    """Creates tables and arrays of a run.

    Args:
        folder: folder for files, which the caller removes after the run; None: use memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._file_numbers = count(1)

    def frame_writer(self, name: str) -> FrameWriter:
        """Return a writer for a table."""
        return FrameWriter(self._place(name, "arrow"))

    def collect(self, name: str, frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
        """Return the frames as one."""
        with closing(self.frame_writer(name)) as writer:
            for frame in frames:
                writer.write(frame)
            return writer.frame()

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array of zeros, in a mapped file if there is a folder."""
        path = self._place(name, "npy")
        if path is None or 0 in shape:
            return np.zeros(shape, dtype=dtype)
        array = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
        # A disk that turns out too small at the first write to a mapped page kills the process.
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        return array

    def persist_array(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values, copied to the scratch folder if there is one."""
        if self.folder is None:
            return values
        array = self.array(name, values.shape, values.dtype)
        array[...] = values
        return array

    def _place(self, name: str, ending: str) -> Path | None:
        if self.folder is None:
            return None
        # Names of steps are the user's and may contain slashes. The number keeps equal names apart,
        # also of two threads: `next` is atomic.
        safe_name = re.sub(r"[^\w.-]", "_", name)
        return self.folder / f"{next(self._file_numbers):03d}-{safe_name}.{ending}"
