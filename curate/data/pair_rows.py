"""Some rows of a pair table, whose texts stay where they lie until somebody wants them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.row_parts import batch_rows
from curate.data.table import BATCH_ROWS, batches

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROW = "__row__"
_ROWS_A_PART = 65_536


@dataclass(frozen=True)
class PairRows:
    """Rows of a table by their numbers, and columns of these rows alone.

    A frame of the rows would point at each of their texts anew, some 200 bytes a pair beside a
    table that lies in a mapped file.

    Attributes:
        table: all rows.
        rows: numbers of the wanted ones, ascending; (n,).
        own: n rows of columns that the table has not, or that go before those of its.
    """

    table: pl.DataFrame
    rows: NDArray[np.int64]
    own: pl.DataFrame

    @classmethod
    def whole(cls, table: pl.DataFrame) -> PairRows:
        """All rows of the table."""
        return cls(table, np.arange(len(table)), pl.DataFrame())

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def columns(self) -> list[str]:
        """Names of all columns: those of the table, then the others."""
        return [*self.table.columns, *(c for c in self.own.columns if c not in self.table.columns)]

    def adding(self, columns: pl.DataFrame) -> PairRows:
        """The same rows with more columns of their own, or others in the place of earlier ones."""
        kept = [c for c in self.own.get_columns() if c.name not in columns.columns]
        return PairRows(self.table, self.rows, pl.DataFrame([*kept, *columns.get_columns()]))

    def with_table_columns(self, columns: pl.DataFrame, rows: NDArray[np.int64]) -> PairRows:
        """The same rows, whose numbers and some columns lie in the room of the whole table.

        Args:
            columns: of all rows of the table, in the place of these rows' own of that name.
            rows: the numbers.
        """
        own = [c for c in self.own.get_columns() if c.name not in columns.columns]
        return PairRows(self.table.hstack(columns.get_columns()), rows, pl.DataFrame(own))

    def where(self, wanted: NDArray[np.bool_]) -> PairRows:
        """Some of the rows, by a mask of n."""
        if wanted.all():
            return self
        own = self.own.filter(pl.Series(wanted)) if self.own.columns else self.own
        return PairRows(self.table, self.rows[wanted], own)

    def between(self, first: int, end: int) -> PairRows:
        """Consecutive rows."""
        return PairRows(self.table, self.rows[first:end], self.own[first:end])

    def union(self, other: PairRows) -> PairRows:
        """The rows of both, of which none is in both; what one alone has is null for the other."""
        # What one of them changed stays as in the table for the other.
        first, second = self._having(other.own.columns), other._having(self.own.columns)
        rows = np.concatenate([first.rows, second.rows])
        order = np.argsort(rows)
        own = pl.concat([first.own, second.own], how="diagonal")
        return PairRows(self.table, rows[order], _gathered(own, order))

    def _having(self, names: Sequence[str]) -> PairRows:
        """The same rows, with their own copy of columns that others changed."""
        changed = set(names).intersection(self.table.columns).difference(self.own.columns)
        return self.adding(self.select(sorted(changed)))

    def select(self, names: Sequence[str]) -> pl.DataFrame:
        """Some columns as a frame."""
        shared = self._of_table(names)
        if len(self.rows) < len(self.table):
            if len(self.rows) and any(kind.is_nested() for kind in shared.dtypes):
                # By number over all of them polars would first bring lists into one piece, which
                # takes some hundred bytes a pair of the table.
                return pl.concat(list(self.parts(names)))
            shared = _gathered(shared, self.rows)
        return pl.DataFrame([(self.own if n in self.own.columns else shared)[n] for n in names])

    def numbered(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Columns of these rows behind the rows' numbers, as `ROW`."""
        return pl.DataFrame([pl.Series(ROW, self.rows), *columns.get_columns()])

    def _of_table(self, names: Sequence[str]) -> pl.DataFrame:
        """All rows of the columns that are not these rows' own."""
        # Not by an expression, which would first bring all columns of the table, texts as well,
        # into pieces of the same lengths.
        return pl.DataFrame([self.table[name] for name in names if name not in self.own.columns])

    def frame(self) -> pl.DataFrame:
        """All columns as a frame."""
        return self.select(self.columns)

    def parts(self, names: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Some or all columns a few thousand rows at a time, fewer where they hold large media.

        Without a row one frame comes that has the columns alone.
        """
        names = self.columns if names is None else names
        if not len(self.rows):
            yield self.select(names)
            return
        table = self._of_table(names)
        size = batch_rows(table, BATCH_ROWS)
        span = slice(self.rows[0] // size, self.rows[-1] // size + 1)
        for batch in batches(len(self.table), size)[span]:
            first, end = np.searchsorted(self.rows, [batch.start, batch.stop])
            if first == end:
                continue
            # By number even where all are wanted: a slice of a table in one piece would take along
            # the texts of all of it when it is turned into Arrow.
            own = self.own[first:end]
            part = _gathered(table[batch], self.rows[first:end] - batch.start)
            yield pl.DataFrame([(own if n in own.columns else part)[n] for n in names])


def at_rows(values: pl.Series, rows: pl.Series, count: int) -> pl.Series:
    """The values at these rows of `count`, null elsewhere."""
    at = np.zeros(count, dtype=np.uint32)
    at[rows.to_numpy()] = np.arange(1, len(values) + 1)
    place = pl.DataFrame({"at": at}).select(pl.when(pl.col("at") > 0).then(pl.col("at") - 1))
    return values.gather(place["at"])


def over_all(numbered: pl.DataFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Columns from `PairRows.numbered` over all rows of the table, part by part; else null."""
    known = numbered.drop(ROW)
    if len(numbered) == rows and numbered[ROW].is_sorted():
        yield from (known[part] for part in batches(rows, _ROWS_A_PART) or [slice(0, 0)])
        return
    # By place and not by a join, whose table of rows would be larger than the columns.
    place = at_rows(pl.int_range(len(numbered), dtype=pl.UInt32, eager=True), numbered[ROW], rows)
    for part in batches(rows, _ROWS_A_PART):
        yield pl.DataFrame([column.gather(place[part]) for column in known.get_columns()])


def _gathered(frame: pl.DataFrame, rows: NDArray[np.int64]) -> pl.DataFrame:
    """The rows by number; to polars a frame without columns has none."""
    return frame[rows] if frame.columns else frame
