"""Rows as they were published, for verbs that make pairs of rows which hold none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from curate.errors import CurateError
from curate.read.column_names import SYSTEM
from curate.read.messages import Turn, as_messages
from curate.read.notes import empty_files_note, replaced_text_note
from curate.read.pairs import input_sources
from curate.read.sources.attachment_columns import ATTACHMENT_COLUMNS

if TYPE_CHECKING:
    from curate.read.input import InputConfig

_SAMPLE_ROWS = 100
"""Rows of which one must be of the wanted kind."""


@dataclass(frozen=True)
class PublishedRow:
    """One row.

    Attributes:
        file: what reports call the file.
        number: in it, from 1.
        values: by column; None where the row cannot be read.
        problem: why not.
    """

    file: str
    number: int
    values: Mapping[str, object] | None
    problem: str = ""


class PublishedRows:
    """The rows of an input one by one, and what the user should know of them.

    Args:
        settings: where the rows are; `limit` counts those that can be read.
    """

    def __init__(self, settings: InputConfig) -> None:
        self._settings = settings
        self._notes: dict[str, None] = {}
        self._dropped_columns: Counter[str] = Counter()
        self._empty_files: list[str] = []
        self._replaced = 0

    def __iter__(self) -> Iterator[PublishedRow]:
        count, limit = 0, self._settings.limit
        for source in input_sources(self._settings):
            self._notes |= dict.fromkeys(source.notes)
            rows_in_source = 0
            for block in source.blocks():
                self._notes |= dict.fromkeys(block.notes)
                self._replaced += block.replaced
                rows_in_source += len(block)
                rows = block.sample(len(block))
                for number, row in zip(block.numbers, rows, strict=True):
                    self._count_dropped_columns(row)
                    yield PublishedRow(source.label, int(number), row)
                    count += 1
                    if limit is not None and count >= limit:
                        return
                for number, problem in block.broken.items():
                    yield PublishedRow(source.label, number, None, problem)
            if not rows_in_source:
                self._empty_files.append(source.label)

    def require_kind(
        self, is_of_kind: Callable[[Mapping[str, object]], bool], problem: str, expected: str
    ) -> Iterator[PublishedRow]:
        """Return all rows if one of the first hundred is of the kind that a command takes.

        Raises:
            CurateError: none of them is; `problem` and `expected` describe it.
        """
        rows = iter(self)
        # Not only the first row: an odd one, such as a header, is skipped like any other.
        sample = list(islice(rows, _SAMPLE_ROWS))
        read = [(raw.file, raw.values) for raw in sample if raw.values is not None]
        if read and not any(is_of_kind(row) for _, row in read):
            file, row = read[0]
            columns = ", ".join(list(row)[:12]) or "no column"
            raise CurateError(problem, where=file, found=columns, expected=expected)
        yield from sample
        yield from rows

    def _count_dropped_columns(self, row: Mapping[str, object]) -> None:
        # Few rows have any such column, and none has a value in all of them.
        for name in ATTACHMENT_COLUMNS & row.keys():
            if row[name]:
                self._dropped_columns[name] += 1

    def notes(self) -> list[str]:
        """Return the notes on the rows that were read so far."""
        dropped_columns = (
            f"{count:,} rows have '{name}', which the derived pairs do not keep"
            for name, count in sorted(self._dropped_columns.items())
        )
        file_notes = (*empty_files_note(self._empty_files), *replaced_text_note(self._replaced))
        return [*self._notes, *file_notes, *dropped_columns]


def prepend_system_message(
    row: Mapping[str, object], turns: list[Turn]
) -> tuple[list[Turn], str | None]:
    """Return the turns after the row's system text, if there is one, or what is wrong with it."""
    system_text = next((row[name] for name in SYSTEM if row.get(name)), None)
    if system_text is None:
        return turns, None
    system_message = (
        {"role": "system", "content": system_text} if isinstance(system_text, str) else system_text
    )
    system, problem = as_messages(system_message)
    # Some sets say it in the column and in the conversation: once is enough.
    if problem is not None or system is None or turns[:1] == system:
        return turns, problem and f"system {problem}"
    return [*system, *turns], None
