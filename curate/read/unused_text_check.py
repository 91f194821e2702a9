"""Checks for every format that the texts of a row are found in its pair."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from curate.data.attachments import MEDIA_COLUMNS
from curate.data.json_text import parse_nested_json
from curate.data.table import PAIR_COLUMNS
from curate.option_names import option_name
from curate.read.embedded_json import parse_embedded_messages
from curate.read.formats.base import ROW, RowSample

# Shorter texts may be labels or names, which a format turns into what they say.
_MIN_PROSE = 20
# A shorter line occurs in other texts by chance.
_MIN_LINE = 4
_HALF = 0.5
_SPEAKER = re.compile(r"^\W*\w+:\s*")


class UnusedTextCheck:
    """Looks for the texts of the first rows in the pairs that a format made of them.

    A column that a format reads does not go to `extra`; where the format then makes no use of it,
    its text would be lost silently.
    """

    def __init__(self) -> None:
        self._rows: dict[int, Mapping[str, Any]] = {}
        self._label: str | None = None
        self._unused_columns: list[str] = []

    def inspect_sample(self, numbers: Sequence[int], sample: RowSample, label: str) -> None:
        """Remember the first rows of a source, and their numbers."""
        self._rows, self._label = dict(zip(numbers, sample, strict=False)), label

    def check(self, pairs: pl.DataFrame, origins: pl.DataFrame) -> None:
        """Look for their texts in the first pairs of that source, once."""
        if self._label is None:
            return
        is_of_source = origins["file"] == self._label
        pairs = pairs.with_columns(origins["row"].alias(ROW)).filter(is_of_source)
        if not len(pairs):
            return
        self._label, rows_with_prose, rows_without_it = None, Counter[str](), Counter[str]()
        sampled_pairs = pairs.filter(pl.col(ROW).is_in(list(self._rows)))
        # Only the paths of media: their bytes may be megabytes a row.
        paths = [pl.col(c).list.eval(pl.element().struct.field("path")) for c in MEDIA_COLUMNS]
        text_columns = [name for name in PAIR_COLUMNS if name not in MEDIA_COLUMNS]
        for row, *values in sampled_pairs.select(ROW, *text_columns, *paths).iter_rows():
            pair_text = "\n".join(nested_texts(values))
            for column, value in self._rows[row].items():
                prose = [text for text in nested_texts(value) if _is_prose(text)]
                is_used = any(_is_contained(text, pair_text) for text in prose)
                rows_with_prose[column] += bool(prose)
                rows_without_it[column] += bool(prose) and not is_used
        self._unused_columns = [
            column
            for column, count in rows_without_it.items()
            if count > _HALF * rows_with_prose[column]
        ]
        self._rows = {}

    def notes(self) -> list[str]:
        """What was found, a sentence each column."""
        return [
            f"the text of the column '{column}' is not in the pairs: the format reads the column "
            f"but does not use it here; if it matters, map the columns: {option_name('columns')}"
            for column in self._unused_columns
        ]


def _is_prose(text: str) -> bool:
    """Return whether it is prose, not a label, number, address or serialized list."""
    return len(text) >= _MIN_PROSE and " " in text.strip() and text.lstrip()[:1] not in ("[", "{")


def _is_contained(text: str, pair_text: str) -> bool:
    """Return whether the pair holds the end of a line: formats split texts and drop speakers."""
    without_speakers = (_SPEAKER.sub("", line.strip()) for line in text.splitlines())
    lines = [line for line in without_speakers if len(line) >= _MIN_LINE]
    return not lines or any(line[-_MIN_PROSE:] in pair_text for line in lines)


def nested_texts(value: object) -> Iterator[str]:
    """Yield all texts in a value of any depth, also those in JSON texts."""
    stack = [value]
    while stack:
        item = parse_embedded_messages(stack.pop())
        if isinstance(item, str):
            inner = parse_nested_json(item) if item.lstrip()[:1] in ("[", "{") else item
            if inner is item or inner is None:
                yield item
            else:
                stack.append(inner)
        elif isinstance(item, Mapping):
            stack += reversed(list(item.values()))
        elif isinstance(item, list):
            stack += reversed(item)
