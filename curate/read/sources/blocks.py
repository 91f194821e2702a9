"""A block of rows as read, and its conversion to the frame that formats take."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import polars as pl

from curate.read.formats import ERROR, ROW
from curate.read.formats.base import BoundFormat, RowSample

PAIR_ID = "pair_id"


class RowBlock(ABC):
    """Some consecutive rows of one file.

    Attributes:
        notes: notes for the user on the file.
        replaced: number of rows with invalid Unicode, which U+FFFD replaced.
        numbers: of the rows that could be parsed.
        broken: why others could not, by number.
    """

    numbers: Sequence[int]
    broken: dict[int, str]

    notes: Sequence[str] = ()
    replaced: int = 0

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows, broken ones included."""

    @abstractmethod
    def sample(self, rows: int) -> RowSample:
        """Return the first rows as plain Python objects."""

    @abstractmethod
    def frame(self, bound: BoundFormat) -> pl.DataFrame:
        """Return `ROW`, `EXTRA`, `ERROR`, `pair_id`, `ROW_PARTS` and the columns of the format."""

    @staticmethod
    def with_broken(rows: pl.DataFrame, broken: dict[int, str]) -> pl.DataFrame:
        """Return the rows, and those that could not be read at all with what is wrong."""
        broken_rows = pl.DataFrame(
            {ROW: list(broken), ERROR: list(broken.values())},
            schema={ROW: pl.Int64, ERROR: pl.String},
        )
        return pl.concat([rows, broken_rows], how="diagonal")


def wrong_shape(name: str, dtype: pl.DataType) -> str:
    """Return the error of a row whose nested value is of another shape than the format's."""
    return f"'{name}' is of another shape; expected {dtype}"
