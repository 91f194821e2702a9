"""Rows of JSON and of separated text, as parsed objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from curate.data.json_columns import decode_json
from curate.data.json_text import DeepJson, object_to_json, to_json, without_depth
from curate.data.table import messages_series
from curate.read.embedded_json import embedded_json_as_text, parse_message_column
from curate.read.formats import ERROR, EXTRA, ROW, Format
from curate.read.formats.base import RowSample
from curate.read.messages import as_messages
from curate.read.sources.blocks import PAIR_ID, Block, wrong_shape
from curate.read.sources.row_parts import (
    PART_NAMES,
    REJECTED_TOOLS,
    RowParts,
    compare,
    first_given,
    media_series,
    sources_of,
    split_documents,
    take,
)


@dataclass
class PythonBlock(Block):
    """Rows of JSON: parsed objects, their row numbers, and the reasons of broken rows."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    replaced: int = 0

    def __len__(self) -> int:
        return len(self.rows) + len(self.broken)

    def add(self, number: int, row: dict[str, Any]) -> None:
        """Add a parsed object by its row number."""
        self.rows.append(without_depth(row))
        self.numbers.append(number)

    def sample(self, rows: int) -> RowSample:
        """The first parsed rows."""
        return self.rows[:rows]

    def frame(self, fmt: Format) -> pl.DataFrame:
        """Typed columns; a value of another kind than its column's is an error of its row."""
        deep = self._take_deep({*fmt.columns(), PAIR_ID, *PART_NAMES})
        parts = self._parts(fmt)
        errors = parts.errors
        errors |= deep
        columns = parts.frame(len(self.rows))
        rows = self._with_messages(fmt)
        for name in fmt.text_columns:
            values = [row.get(name) for row in rows]
            columns.append(_text_series(name, values, fmt, errors))
        # A given id is kept whatever the format knows of it.
        for name in dict.fromkeys((*fmt.value_columns, PAIR_ID)):
            values = [row.get(name) for row in self.rows]
            columns.append(_value_series(name, values, errors))
        columns += [self._json(name, fmt.json_as_text) for name in fmt.json_columns]
        columns += [self._media(name, parts) for name in fmt.media_columns]
        for name, dtype in fmt.nested_columns.items():
            nested, wrong = decode_json(self._json(name, json_as_text=True), dtype)
            columns.append(nested)
            for i in wrong:
                errors.setdefault(i, wrong_shape(name, dtype))
        frame = pl.DataFrame(
            [
                pl.Series(ROW, self.numbers, dtype=pl.Int64),
                pl.Series(EXTRA, self._extras(fmt, parts), dtype=pl.String),
                pl.Series(ERROR, [errors.get(i) for i in range(len(self.rows))], dtype=pl.String),
                *columns,
            ]
        )
        return self.with_broken(frame, self.broken).sort(ROW)

    def _take_deep(self, names: set[str]) -> dict[int, str]:
        """Remove values of these keys that are nested too deeply; the error of each such row."""
        errors = {}
        for number, row in enumerate(self.rows):
            for name in [k for k, v in row.items() if type(v) is DeepJson and k in names]:
                row[name] = None
                errors[number] = f"'{name}' is nested too deeply"
        return errors

    def _json(self, name: str, json_as_text: bool) -> pl.Series:
        """A column as JSON texts; where it is `folded`, texts may be JSON already."""
        values = [row.get(name) for row in self.rows]
        texts = (
            embedded_json_as_text(values)
            if json_as_text
            else [None if v is None else to_json(v) for v in values]
        )
        return pl.Series(name, texts, dtype=pl.String)

    def _media(self, name: str, parts: RowParts) -> pl.Series:
        """A column of media that are answers."""
        return media_series(name, [row.get(name) for row in self.rows], parts)

    def _parts(self, fmt: Format) -> RowParts:
        """Tools, media and arguments of the rows."""
        found = RowParts()
        # In the order in which the keys come, so that the first with a value counts.
        present = list(dict.fromkeys(key for row in self.rows for key in row if key in PART_NAMES))
        for part, names in sources_of(present, fmt.columns()).items():
            given = first_given(names, ([row.get(n) for n in names] for row in self.rows))
            take(part, names, given, found)
        split_documents(found)
        if REJECTED_TOOLS in present and REJECTED_TOOLS not in fmt.columns():
            compare([row.get(REJECTED_TOOLS) for row in self.rows], found)
        return found

    def _with_messages(self, fmt: Format) -> list[dict[str, Any]]:
        """The rows, with conversations that stand as JSON text in a text column as lists."""
        rows = self.rows
        for name in fmt.text_columns:
            found = parse_message_column([row.get(name) for row in rows])
            if found is not None:
                pairs = zip(rows, found, strict=True)
                rows = [{**row, name: value} if name in row else row for row, value in pairs]
        return rows

    def _extras(self, fmt: Format, parts: RowParts) -> list[str | None]:
        placed = {*fmt.columns(), PAIR_ID} - set(fmt.keep_in_extra) | parts.sources
        extras: list[str | None] = []
        for number, row in enumerate(self.rows):
            if row.keys() <= placed and not parts.left:
                extras.append(None)
                continue
            rest = {k: v for k, v in row.items() if k not in placed and v is not None}
            rest |= {k: row[k] for k, rows in parts.left.items() if number in rows}
            extras.append(object_to_json(rest) if rest else None)
        return extras


def _text_series(name: str, values: list[Any], fmt: Format, errors: dict[int, str]) -> pl.Series:
    """A text column as String or as messages, whichever most of its values are."""
    if {type(value) for value in values} <= {str, type(None)}:
        return pl.Series(name, values, dtype=pl.String)
    kinds = Counter("text" if type(v) is str else "messages" for v in values if _is_text(v))
    # A column has one type: rows of the rarer kind are told as errors and not bent.
    most = "messages" if kinds["messages"] > kinds["text"] else "text"
    out: list[Any] = []
    for i, value in enumerate(values):
        text = str(value) if fmt.scalars_are_text and type(value) in (bool, int, float) else value
        converted, problem = _one_text(text, most, fmt.holds_pair_messages)
        out.append(converted)
        if problem:
            errors.setdefault(i, f"'{name}' {problem}")
    if most == "text":
        return pl.Series(name, out, dtype=pl.String)
    return messages_series(name, out)


def _is_text(value: Any) -> bool:
    return type(value) in (str, list, dict)


def _one_text(value: Any, most: str, own: bool) -> tuple[Any, str | None]:
    if value is None:
        return None, None
    if not _is_text(value):
        return None, f"is {_shown(value)}; expected text or a list of messages"
    if (type(value) is str) != (most == "text"):
        kind = "text" if type(value) is str else "a list or object"
        return None, f"is {kind}, while most rows hold {most}"
    if type(value) is str:
        return value, None
    return as_messages(value, own)


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text[:40]}... ({type(value).__name__})" if len(text) > 40 else text


_EXPECTED = {
    "bool": "true or false, as in most rows",
    "number": "a number, as in most rows",
    "text": "a text, as in most rows",
    "object": "a text, a number, or true or false (most rows hold lists or objects here)",
}
_SCALARS: Mapping[type, str] = {bool: "bool", int: "number", float: "number", str: "text"}


def _value_series(name: str, values: list[Any], errors: dict[int, str]) -> pl.Series:
    """A scalar column in the type of most of its values."""
    kinds = Counter(_SCALARS.get(type(v), "object") for v in values if v is not None)
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    # One odd value must not make numbers texts for all rows.
    most = kinds.most_common(1)[0][0]
    kept: list[Any] = []
    for i, value in enumerate(values):
        kind = None if value is None else _SCALARS.get(type(value), "object")
        right = kind in (None, most) and kind != "object"
        kept.append(value if right else None)
        if not right:
            errors.setdefault(i, f"'{name}' is {_shown(value)}; expected {_EXPECTED[most]}")
    return pl.Series(name, kept, strict=False)
