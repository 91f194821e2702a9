"""Rows of JSON and of separated text, as parsed objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from curate.data.json_fields import decode_json
from curate.data.json_text import DeepJson, flatten_deep_values, object_to_json, to_json
from curate.data.table import messages_series
from curate.read.embedded_json import embedded_json_as_text, parse_message_column
from curate.read.formats import ERROR, EXTRA, ROW, Format
from curate.read.formats.base import BoundFormat, RowSample
from curate.read.message_columns import SAMPLE_TEXTS
from curate.read.messages import as_messages
from curate.read.sources.attachment_columns import (
    ATTACHMENT_COLUMNS,
    REJECTED_TOOLS,
    RowAttachments,
    add_attachment,
    attachment_sources,
    check_rejected_tools,
    first_not_null,
    media_series,
    split_documents,
)
from curate.read.sources.blocks import PAIR_ID, RowBlock, wrong_shape
from curate.read.sources.conversation_objects import (
    conversation_object_columns,
    unwrap_conversations,
)


@dataclass
class PythonBlock(RowBlock):
    """Rows of JSON: parsed objects, their row numbers, and the reasons of broken rows."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    replaced: int = 0

    def __len__(self) -> int:
        return len(self.rows) + len(self.broken)

    def add(self, number: int, row: dict[str, object]) -> None:
        """Add a parsed object by its row number."""
        self.rows.append(flatten_deep_values(row))
        self.numbers.append(number)

    def sample(self, rows: int) -> RowSample:
        """Return the first parsed rows."""
        return self.rows[:rows]

    def frame(self, bound: BoundFormat) -> pl.DataFrame:
        """Return typed columns; a value of another kind than its column is an error of its row."""
        fmt = bound.format
        objects = conversation_object_columns(
            {n: [row.get(n) for row in self.rows[:SAMPLE_TEXTS]] for n in fmt.text_columns}
        )
        if objects:
            self.rows = unwrap_conversations(self.rows, objects)
        deep = self._take_deep({*bound.columns(), PAIR_ID, *ATTACHMENT_COLUMNS})
        attachments = self._attachments(bound)
        errors = attachments.errors
        errors |= deep
        columns = attachments.frame(len(self.rows))
        rows = self._with_messages(fmt)
        for name in fmt.text_columns:
            values = [row.get(name) for row in rows]
            columns.append(_text_series(name, values, fmt, errors))
        # A given id is kept whatever the format knows of it.
        for name in dict.fromkeys((*bound.value_columns, PAIR_ID)):
            values = [row.get(name) for row in self.rows]
            columns.append(_value_series(name, values, errors))
        columns += [self._json(name, bound.options.json_as_text) for name in fmt.json_columns]
        columns += [self._media_answers(name, attachments) for name in fmt.media_columns]
        for name, dtype in fmt.nested_columns.items():
            nested, wrong = decode_json(self._json(name, json_as_text=True), dtype)
            columns.append(nested)
            for i in wrong:
                errors.setdefault(i, wrong_shape(name, dtype))
        frame = pl.DataFrame(
            [
                pl.Series(ROW, self.numbers, dtype=pl.Int64),
                pl.Series(EXTRA, self._extras(bound, attachments), dtype=pl.String),
                pl.Series(ERROR, [errors.get(i) for i in range(len(self.rows))], dtype=pl.String),
                *columns,
            ]
        )
        return self.with_broken(frame, self.broken).sort(ROW)

    def _take_deep(self, names: set[str]) -> dict[int, str]:
        """Remove too deeply nested values of these keys, and return an error for each row."""
        errors = {}
        for number, row in enumerate(self.rows):
            for name in [k for k, v in row.items() if type(v) is DeepJson and k in names]:
                row[name] = None
                errors[number] = f"'{name}' is nested too deeply"
        return errors

    def _json(self, name: str, json_as_text: bool) -> pl.Series:
        """Return a column as JSON texts; where it is `folded`, texts may be JSON already."""
        values = [row.get(name) for row in self.rows]
        texts = (
            embedded_json_as_text(values)
            if json_as_text
            else [None if v is None else to_json(v) for v in values]
        )
        return pl.Series(name, texts, dtype=pl.String)

    def _media_answers(self, name: str, attachments: RowAttachments) -> pl.Series:
        """Return a column of media that are answers."""
        return media_series(name, [row.get(name) for row in self.rows], attachments)

    def _attachments(self, bound: BoundFormat) -> RowAttachments:
        """Return tools, media and arguments of the rows."""
        attachments = RowAttachments()
        # In the order in which the keys come, so that the first with a value counts.
        present = list(
            dict.fromkeys(key for row in self.rows for key in row if key in ATTACHMENT_COLUMNS)
        )
        for attachment, names in attachment_sources(present, bound.columns()).items():
            values = first_not_null(names, ([row.get(n) for n in names] for row in self.rows))
            add_attachment(attachment, names, values, attachments)
        split_documents(attachments)
        if REJECTED_TOOLS in present and REJECTED_TOOLS not in bound.columns():
            check_rejected_tools([row.get(REJECTED_TOOLS) for row in self.rows], attachments)
        return attachments

    def _with_messages(self, fmt: Format) -> list[dict[str, object]]:
        """Return the rows with conversations that are JSON texts parsed to lists."""
        rows = self.rows
        for name in fmt.text_columns:
            messages = parse_message_column([row.get(name) for row in rows])
            if messages is not None:
                pairs = zip(rows, messages, strict=True)
                rows = [{**row, name: value} if name in row else row for row, value in pairs]
        return rows

    def _extras(self, bound: BoundFormat, attachments: RowAttachments) -> list[str | None]:
        placed = {*bound.columns(), PAIR_ID} - set(bound.format.keep_in_extra) | attachments.sources
        extras: list[str | None] = []
        for number, row in enumerate(self.rows):
            if row.keys() <= placed and not attachments.unplaced_rows:
                extras.append(None)
                continue
            unplaced = {k: v for k, v in row.items() if k not in placed and v is not None}
            unplaced |= {
                k: row[k] for k, rows in attachments.unplaced_rows.items() if number in rows
            }
            extras.append(object_to_json(unplaced) if unplaced else None)
        return extras


def _text_series(name: str, values: list[Any], fmt: Format, errors: dict[int, str]) -> pl.Series:
    """Return a text column as String or as messages, whichever most of its values are."""
    if {type(value) for value in values} <= {str, type(None)}:
        return pl.Series(name, values, dtype=pl.String)
    kinds = Counter(
        "text" if type(v) is str else "messages" for v in values if _is_text_or_messages(v)
    )
    # A column has one type: rows of the rarer kind are errors, not converted.
    common_kind = "messages" if kinds["messages"] > kinds["text"] else "text"
    out: list[Any] = []
    for i, value in enumerate(values):
        text = str(value) if fmt.scalars_are_text and type(value) in (bool, int, float) else value
        converted, problem = _convert_text(text, common_kind, fmt.holds_pair_messages)
        out.append(converted)
        if problem:
            errors.setdefault(i, f"'{name}' {problem}")
    if common_kind == "text":
        return pl.Series(name, out, dtype=pl.String)
    return messages_series(name, out)


def _is_text_or_messages(value: object) -> bool:
    return type(value) in (str, list, dict)


def _convert_text(
    value: object, common_kind: str, is_pair_message: bool
) -> tuple[object, str | None]:
    if value is None:
        return None, None
    if not _is_text_or_messages(value):
        return None, f"is {_describe_value(value)}; expected text or a list of messages"
    if (type(value) is str) != (common_kind == "text"):
        kind = "text" if type(value) is str else "a list or object"
        return None, f"is {kind}, while most rows hold {common_kind}"
    if type(value) is str:
        return value, None
    return as_messages(value, is_pair_message)


def _describe_value(value: object) -> str:
    text = repr(value)
    return f"{text[:40]}... ({type(value).__name__})" if len(text) > 40 else text


_EXPECTED = {
    "bool": "true or false, as in most rows",
    "number": "a number, as in most rows",
    "text": "a text, as in most rows",
    "object": "a text, a number, or true or false (most rows hold lists or objects here)",
}
_SCALARS: Mapping[type, str] = {bool: "bool", int: "number", float: "number", str: "text"}


def _value_series(name: str, values: list[object], errors: dict[int, str]) -> pl.Series:
    """Return a scalar column in the type of most of its values."""
    kinds = Counter(_SCALARS.get(type(v), "object") for v in values if v is not None)
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    # One odd value must not make numbers texts for all rows.
    common_kind = kinds.most_common(1)[0][0]
    converted: list[object] = []
    for i, value in enumerate(values):
        kind = None if value is None else _SCALARS.get(type(value), "object")
        right = kind in (None, common_kind) and kind != "object"
        converted.append(value if right else None)
        if not right:
            errors.setdefault(
                i, f"'{name}' is {_describe_value(value)}; expected {_EXPECTED[common_kind]}"
            )
    return pl.Series(name, converted, strict=False)
