"""A selection of rows of a pair table; texts are not copied until they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.attachments import frame_batch_rows
from curate.data.table import BATCH_ROWS, batch_slices

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROW_NUMBER = "__row__"
_ROWS_A_PART = 65_536


@dataclass(frozen=True)
class RowSelection:
    """Row numbers of a table, and extra columns of these rows.

    A frame of the rows would point at each of their texts anew, some 200 bytes a pair beside a
    table that lies in a mapped file.

    Attributes:
        table: all rows.
        rows: (n,) numbers of the selected rows, ascending.
        extra_columns: n rows of further columns; they override the table's of the same name.
    """

    table: pl.DataFrame
    rows: NDArray[np.int64]
    extra_columns: pl.DataFrame

    @classmethod
    def from_table(cls, table: pl.DataFrame) -> RowSelection:
        """Select all rows of a table."""
        return cls(table, np.arange(len(table)), pl.DataFrame())

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def columns(self) -> list[str]:
        """Return the names of all columns: those of the table, then the extra ones."""
        return [
            *self.table.columns,
            *(c for c in self.extra_columns.columns if c not in self.table.columns),
        ]

    def with_columns(self, columns: pl.DataFrame) -> RowSelection:
        """Return the same rows with extra columns added or replaced."""
        remaining = [c for c in self.extra_columns.get_columns() if c.name not in columns.columns]
        return RowSelection(
            self.table, self.rows, pl.DataFrame([*remaining, *columns.get_columns()])
        )

    def with_table_columns(self, columns: pl.DataFrame, rows: NDArray[np.int64]) -> RowSelection:
        """Return the same rows with columns added to the whole table.

        Args:
            columns: columns of all rows of the table; they replace extra columns of that name.
            rows: the row numbers.
        """
        remaining = [c for c in self.extra_columns.get_columns() if c.name not in columns.columns]
        return RowSelection(self.table.hstack(columns.get_columns()), rows, pl.DataFrame(remaining))

    def where(self, mask: NDArray[np.bool_]) -> RowSelection:
        """Return the rows where a mask of n values is true."""
        if mask.all():
            return self
        extra_columns = (
            self.extra_columns.filter(pl.Series(mask))
            if self.extra_columns.columns
            else self.extra_columns
        )
        return RowSelection(self.table, self.rows[mask], extra_columns)

    def row_range(self, first: int, end: int) -> RowSelection:
        """Return the rows from position `first` up to `end`."""
        return RowSelection(self.table, self.rows[first:end], self.extra_columns[first:end])

    def union(self, other: RowSelection) -> RowSelection:
        """Return the rows of two disjoint selections; missing extra columns become null."""
        # What one of them changed stays as in the table for the other.
        first, second = (
            self._having(other.extra_columns.columns),
            other._having(self.extra_columns.columns),
        )
        rows = np.concatenate([first.rows, second.rows])
        order = np.argsort(rows)
        extra_columns = pl.concat([first.extra_columns, second.extra_columns], how="diagonal")
        return RowSelection(self.table, rows[order], _gather_rows(extra_columns, order))

    def _having(self, names: Sequence[str]) -> RowSelection:
        """Return the same rows with these table columns copied to the extra columns."""
        changed = set(names).intersection(self.table.columns).difference(self.extra_columns.columns)
        return self.with_columns(self.select(sorted(changed)))

    def select(self, names: Sequence[str]) -> pl.DataFrame:
        """Return some columns as a frame."""
        shared = self._of_table(names)
        if len(self.rows) < len(self.table):
            if len(self.rows) and any(kind.is_nested() for kind in shared.dtypes):
                # By number over all of them polars would first bring lists into one piece, which
                # takes some hundred bytes a pair of the table.
                return pl.concat(list(self.iter_batches(names)))
            shared = _gather_rows(shared, self.rows)
        return pl.DataFrame(
            [(self.extra_columns if n in self.extra_columns.columns else shared)[n] for n in names]
        )

    def with_row_numbers(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Return columns of these rows with the row numbers first, as `ROW_NUMBER`."""
        return pl.DataFrame([pl.Series(ROW_NUMBER, self.rows), *columns.get_columns()])

    def _of_table(self, names: Sequence[str]) -> pl.DataFrame:
        """Return the table's columns that no extra column overrides, with all rows."""
        # Not by an expression, which would first bring all columns of the table, texts as well,
        # into pieces of the same lengths.
        return pl.DataFrame(
            [self.table[name] for name in names if name not in self.extra_columns.columns]
        )

    def frame(self) -> pl.DataFrame:
        """Return all columns as a frame."""
        return self.select(self.columns)

    def iter_batches(self, names: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield columns a few thousand rows at a time, fewer if they hold large media.

        A selection without rows yields one empty frame.
        """
        names = self.columns if names is None else names
        if not len(self.rows):
            yield self.select(names)
            return
        table = self._of_table(names)
        size = frame_batch_rows(table, BATCH_ROWS)
        span = slice(self.rows[0] // size, self.rows[-1] // size + 1)
        for batch in batch_slices(len(self.table), size)[span]:
            first, end = np.searchsorted(self.rows, [batch.start, batch.stop])
            if first == end:
                continue
            # By number even where all are wanted: a slice of a table in one piece would take along
            # the texts of all of it when it is turned into Arrow.
            extra_columns = self.extra_columns[first:end]
            batch_rows = _gather_rows(table[batch], self.rows[first:end] - batch.start)
            yield pl.DataFrame(
                [(extra_columns if n in extra_columns.columns else batch_rows)[n] for n in names]
            )


def scatter_to_length(values: pl.Series, rows: pl.Series, count: int) -> pl.Series:
    """Return a column of `count` rows with the values at `rows`, null elsewhere."""
    index = np.zeros(count, dtype=np.uint32)
    index[rows.to_numpy()] = np.arange(1, len(values) + 1)
    positions = pl.DataFrame({"at": index}).select(pl.when(pl.col("at") > 0).then(pl.col("at") - 1))
    return values.gather(positions["at"])


def expand_to_all_rows(numbered: pl.DataFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Yield columns of `with_row_numbers` expanded to all rows of the table, null elsewhere."""
    columns = numbered.drop(ROW_NUMBER)
    if len(numbered) == rows and numbered[ROW_NUMBER].is_sorted():
        yield from (
            columns[rows_slice] for rows_slice in batch_slices(rows, _ROWS_A_PART) or [slice(0, 0)]
        )
        return
    # By place and not by a join, whose table of rows would be larger than the columns.
    positions = scatter_to_length(
        pl.int_range(len(numbered), dtype=pl.UInt32, eager=True), numbered[ROW_NUMBER], rows
    )
    for rows_slice in batch_slices(rows, _ROWS_A_PART):
        yield pl.DataFrame(
            [column.gather(positions[rows_slice]) for column in columns.get_columns()]
        )


def _gather_rows(frame: pl.DataFrame, rows: NDArray[np.int64]) -> pl.DataFrame:
    """Return these rows of a frame; polars gives a frame without columns no rows."""
    return frame[rows] if frame.columns else frame
