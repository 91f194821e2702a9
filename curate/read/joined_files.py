"""Rows of several files that are converted together, since they make pairs with each other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import partial

import numpy as np
import orjson
import polars as pl

from curate.data.json_text import to_json
from curate.errors import CurateError
from curate.read.convert_blocks import concatenate_blocks, convert_rows
from curate.read.formats import ROW
from curate.read.formats.base import BoundFormat
from curate.read.row_content import FILES_KEY, ROWS_KEY
from curate.read.small_blocks import ANY_FILE, Located, locate_in_file


class JoinedFiles:
    """Collects the rows of files, and numbers them on from file to file.

    All rows are held at once, as those of one file are.
    """

    def __init__(self) -> None:
        self._frames: list[pl.DataFrame] = []
        self._labels: list[str] = []
        self._starts: list[int] = []
        self._end = 0

    def add(self, frame: pl.DataFrame, label: str) -> None:
        """Add the rows of a block; blocks of one file come one after the other."""
        if not self._labels or self._labels[-1] != label:
            self._labels.append(label)
            self._starts.append(self._end)
        self._frames.append(frame.with_columns(pl.col(ROW) + self._starts[-1]))
        self._end = max(self._end, self._starts[-1] + _last_row(frame))

    def convert(self, fmt: BoundFormat) -> Iterator[Located]:
        """Yield the converted rows of all files.

        A format that refuses the rows is asked again file by file, to name the right one.
        """
        if not self._frames:
            return
        rows = concatenate_blocks(self._frames)
        try:
            converted = convert_rows(fmt, rows, ANY_FILE)
        except CurateError:
            for number, label in enumerate(self._labels):
                is_of_file = pl.Series(self._file_numbers(rows[ROW]) == number)
                of_file = rows.filter(is_of_file).with_columns(pl.col(ROW) - self._starts[number])
                yield convert_rows(fmt, of_file, label), partial(locate_in_file, label)
            return
        file = self._locate(converted[ROW])["file"]
        source = pl.when(pl.col("source") == ANY_FILE).then(file).otherwise("source")
        extra = pl.Series("extra", [self._with_places(text) for text in converted["extra"]])
        yield converted.with_columns(extra.cast(pl.String), source=source), self._locate

    def _locate(self, numbers: pl.Series) -> pl.DataFrame:
        """Return file and row of rows by their numbers over all files."""
        files = self._file_numbers(numbers)
        starts = np.array(self._starts, dtype=np.int64)
        rows = numbers.to_numpy() - starts[files]
        labels = pl.Series("file", self._labels, dtype=pl.String).gather(files)
        return pl.DataFrame({"file": labels, "row": pl.Series(rows, dtype=pl.Int64)})

    def _file_numbers(self, numbers: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        # Rows count from 1: the last row of a file has the number at which the next one starts.
        return np.searchsorted(self._starts, numbers.to_numpy(), side="left") - 1

    def _with_places(self, extra: str | None) -> str | None:
        """Return `extra` with the rows of a pair by their own numbers, and the file of each."""
        if extra is None or f'"{ROWS_KEY}":[' not in extra:
            return extra
        values = orjson.loads(extra)
        numbers = values.get(ROWS_KEY)
        if not isinstance(numbers, list) or not all(type(n) is int for n in numbers):
            return extra
        # By bisection: a table for each pair would take most of the time of reading.
        files = [bisect_left(self._starts, number) - 1 for number in numbers]
        rows = [number - self._starts[file] for number, file in zip(numbers, files, strict=True)]
        names = [self._labels[file] for file in files]
        several = {FILES_KEY: names} if len(set(files)) > 1 else {}
        return to_json(values | {ROWS_KEY: rows} | several)


def _last_row(frame: pl.DataFrame) -> int:
    return int(frame[ROW].max() or 0)  # type: ignore[arg-type]
