"""Collects the notes of a stream of pairs while it is read."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from curate.read.notes import MAX_NAMED_ROWS, rejected_rows_note
from curate.read.pairs import Pairs


class StreamNotes:
    """Collects the notes of a stream's batches.

    Attributes:
        rejected: rows that held no pair so far.
    """

    def __init__(self) -> None:
        self._notes: tuple[str, ...] = ()
        self._first: list[pl.DataFrame] = []
        self.rejected = 0

    def watch(self, batches: Iterator[Pairs]) -> Iterator[Pairs]:
        """Yield the same batches, and collect the notes of each."""
        for batch in batches:
            # Notes grow with the stream: the last batch holds all of them.
            self._notes = batch.notes
            # A damaged file may have millions of such rows; the note names only the first ones.
            if self.rejected < MAX_NAMED_ROWS:
                self._first.append(batch.rejected.head(MAX_NAMED_ROWS))
            self.rejected += len(batch.rejected)
            yield batch

    def notes(self) -> list[str]:
        """Return the notes, and one on rows without a pair."""
        first_rows = pl.concat(self._first) if self._first else pl.DataFrame()
        return [*self._notes, *rejected_rows_note(self.rejected, first_rows)]
