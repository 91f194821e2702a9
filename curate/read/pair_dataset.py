"""The pairs of a dataset, with rejected rows, origins and notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from curate.data.json_types import JsonObject
from curate.data.notebook_html import facts_html, table_html
from curate.data.renamed import warn_renamed
from curate.data.table import has_single_answers, messages_text, to_arrow
from curate.errors import CurateError
from curate.read.notes import MAX_NAMED_ROWS, rejected_rows_note

REJECTED_COLUMNS: dict[str, pl.DataType] = {
    "file": pl.String(),
    "row": pl.Int64(),
    "reason": pl.String(),
}
_RENAMED = {"told": "reading_notes", "made": "derivation"}
"""Attributes of `Pairs` that version 0.2 had, and what they are called now."""
_SHOWN_PAIRS, _SHOWN_CHARACTERS = 3, 200
"""Pairs that a notebook shows, and characters of each text."""
ORIGIN_COLUMNS: dict[str, pl.DataType] = {"file": pl.String(), "row": pl.Int64()}


@dataclass
class Pairs:
    """The pairs of a dataset and the rows that are no pairs.

    Attributes:
        frame: the pair table, columns and types of `PAIR_COLUMNS`.
        rejected: file, row (counted from 1) and reason of every row that could not be read, or that
            makes no pair.
        origins: file and row of each pair, in order; empty where the pairs came from no file.
        format: the name of the format that was found or given.
        rows_read: rows read from the files; a row of several votes gives several pairs.
        notes: notes for the user: skipped files, repaired texts.
        folders: of the files, in which paths of media start.
        derivation: what a run's manifest says of pairs that a command derived.
        row_keys: `curate.data.hashes.row_keys` of the frame, where they are known already.
        fingerprint: `curate.data.table.fingerprint_pairs` of the frame, where it is known already.
        published_mask: (pairs,) whether the data itself gave the id, of pairs just read.
        numbered_by_content: whether ids of repeated contents are independent of the order of rows.

    Examples:
        >>> from curate import read_pairs
        >>> pairs = read_pairs([{"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}])
        >>> pairs.rows_read, pairs.frame["is_tie"].to_list()
        (1, [False])
    """

    frame: pl.DataFrame
    rejected: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECTED_COLUMNS))
    origins: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ORIGIN_COLUMNS))
    format: str = "pairs"
    rows_read: int = 0
    notes: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    derivation: JsonObject | None = None
    row_keys: NDArray[np.bytes_] | None = None
    fingerprint: str | None = None
    published_mask: NDArray[np.bool_] | None = None
    numbered_by_content: bool = False

    def __len__(self) -> int:
        return len(self.frame)

    def _repr_html_(self) -> str:
        sides = ("prompt", "chosen", "rejected")
        first = self.frame.head(_SHOWN_PAIRS)
        texts = first.select(
            "pair_id", *(messages_text(s).str.slice(0, _SHOWN_CHARACTERS).alias(s) for s in sides)
        )
        counts = f"{len(self):,} from {self.rows_read:,} rows, format {self.format}"
        facts = {"Pairs": counts, "Notes": " ".join(self.reading_notes()) or "none"}
        title = f"The first {len(first)}, cut after {_SHOWN_CHARACTERS} characters"
        return facts_html(facts) + table_html(title, texts.columns, texts.rows())

    if not TYPE_CHECKING:  # else type checkers would accept any misspelt attribute

        def __getattr__(self, name: str) -> object:
            """Return a renamed attribute by its old name, with a warning, for one release."""
            new_name = _RENAMED.get(name)
            if new_name is None:
                raise AttributeError(f"'Pairs' object has no attribute {name!r}")
            warn_renamed(f"Pairs.{name}", f"Pairs.{new_name}")
            return getattr(self, new_name)

    def to_arrow(self) -> pa.Table:
        """Return the pair table in Arrow."""
        return to_arrow(self.frame)

    def has_published_id(self) -> NDArray[np.bool_]:
        """Return whether the data gave the id of each pair, as it did where nothing is known."""
        mask = self.published_mask
        return np.ones(len(self), np.bool_) if mask is None else mask

    def reading_notes(self) -> list[str]:
        """Return the notes on the reading, and one on rows without a pair."""
        return [*self.notes, *rejected_rows_note(len(self.rejected), self.rejected)]

    def require_two_answers(self, where: str) -> Pairs:
        """Return the pairs, for a command that compares two answers.

        Args:
            where: the dataset or the argument, for the error message.

        Raises:
            CurateError: the rows are single answers.
        """
        if has_single_answers(self.frame):
            raise CurateError(
                "the rows are single answers, and this command compares two answers",
                where=where,
                found="no row has a rejected answer",
                fix="single answers can be used with inspect, init, audit, check, run and export",
            )
        return self

    def cleared(self) -> Pairs:
        """Return the same without any row."""
        return replace(
            self,
            frame=self.frame.clear(),
            rejected=self.rejected.clear(),
            origins=self.origins.clear(),
            row_keys=None,
            fingerprint=None,
            published_mask=None,
        )


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
