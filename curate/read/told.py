"""What the user should know of reading: notes, and rows that held no pair."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from curate.read.rows_to_pairs import Pairs

# Rows that one line names; all are in `Pairs.rejected`.
_SHOWN = 3


def told_rejected(count: int, first: pl.DataFrame) -> list[str]:
    """How many rows held no pair, with the first of them, as one line; no line where none did.

    Args:
        count: of all such rows.
        first: file, row and reason of the first few, at least.
    """
    if not count:
        return []
    rows = first.head(_SHOWN).iter_rows(named=True)
    shown = [f"{row['file']}, row {row['row']}: {row['reason']}" for row in rows]
    more = f"; and {count - len(shown):,} more" if count > len(shown) else ""
    return [f"{count:,} rows held no pair and are left out: {'; '.join(shown)}{more}"]


def told_replaced(rows: int) -> list[str]:
    """How many rows held texts that were mended, as one line; no line where none did."""
    if not rows:
        return []
    return [
        f"{rows} rows hold texts that are no valid Unicode (lone surrogates, cut characters): "
        "U+FFFD stands in their place"
    ]


class StreamTold:
    """The same of a stream of pairs, once it has been read to its end."""

    def __init__(self) -> None:
        self._notes: tuple[str, ...] = ()
        self._first: list[pl.DataFrame] = []
        self._count = 0

    def over(self, parts: Iterator[Pairs]) -> Iterator[Pairs]:
        """The same parts; what is to be told of each is noted as it passes."""
        for part in parts:
            # Notes grow with the stream: the last part holds all of them.
            self._notes = part.notes
            # A damaged file may have millions of such rows; a line names the first.
            if self._count < _SHOWN:
                self._first.append(part.rejected.head(_SHOWN))
            self._count += len(part.rejected)
            yield part

    def lines(self) -> list[str]:
        """Notes, and how many rows held no pair."""
        first = pl.concat(self._first) if self._first else pl.DataFrame()
        return [*self._notes, *told_rejected(self._count, first)]
