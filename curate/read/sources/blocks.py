"""A block of rows as read, and its conversion to the frame that formats take."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pyarrow as pa

from curate.data.json_columns import decode_json
from curate.data.json_text import object_to_json, to_json
from curate.data.table import MESSAGES
from curate.read.formats import ERROR, EXTRA, ROW, Format
from curate.read.formats.base import RowSample
from curate.read.sources import arrow_types
from curate.read.sources.messages import (
    LOOKED_AT,
    as_messages,
    has_other_keys,
    messages_in_texts,
    normalise_messages,
    unspoken,
    with_more,
)

PAIR_ID = "pair_id"


class Block(ABC):
    """Some consecutive rows of one file.

    Attributes:
        notes: what the user should know of the file as a whole.
        replaced: rows with texts that no table can hold; U+FFFD stands in their place.
    """

    notes: Sequence[str] = ()
    replaced: int = 0

    @abstractmethod
    def __len__(self) -> int:
        """Number of rows, broken ones included."""

    @abstractmethod
    def sample(self, rows: int) -> RowSample:
        """The first rows as plain Python objects."""

    @abstractmethod
    def frame(self, fmt: Format) -> pl.DataFrame:
        """`ROW`, `EXTRA`, `ERROR`, `pair_id` and every column that the format reads."""


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

    def sample(self, rows: int) -> RowSample:
        """The first parsed rows."""
        return self.rows[:rows]

    def frame(self, fmt: Format) -> pl.DataFrame:
        """Typed columns; a value of another kind than its column's is an error of its row."""
        errors: dict[int, str] = {}
        columns: list[pl.Series] = []
        rows = self._with_messages(fmt)
        for name in fmt.text_columns:
            values = [row.get(name) for row in rows]
            columns.append(_text_series(name, values, fmt.scalars_are_text, errors))
        for name in dict.fromkeys((*fmt.value_columns, PAIR_ID)):
            values = [row.get(name) for row in self.rows]
            columns.append(_value_series(name, values, errors))
        for name, dtype in fmt.nested_columns.items():
            values = [row.get(name) for row in self.rows]
            texts = [None if v is None else to_json(v) for v in values]
            nested, wrong = decode_json(pl.Series(name, texts, dtype=pl.String), dtype)
            columns.append(nested)
            for i in wrong:
                errors.setdefault(i, _wrong_shape(name, dtype))
        frame = pl.DataFrame(
            [
                pl.Series(ROW, self.numbers, dtype=pl.Int64),
                pl.Series(EXTRA, self._extras(fmt, rows), dtype=pl.String),
                pl.Series(ERROR, [errors.get(i) for i in range(len(self.rows))], dtype=pl.String),
                *columns,
            ]
        )
        broken = pl.DataFrame(
            {ROW: list(self.broken), ERROR: list(self.broken.values())},
            schema={ROW: pl.Int64, ERROR: pl.String},
        )
        return pl.concat([frame, broken], how="diagonal").sort(ROW)

    def _with_messages(self, fmt: Format) -> list[dict[str, Any]]:
        """The rows, with conversations that stand as JSON text in a text column as lists."""
        rows = self.rows
        for name in fmt.text_columns:
            found = messages_in_texts([row.get(name) for row in rows])
            if found is not None:
                pairs = zip(rows, found, strict=True)
                rows = [{**row, name: value} if name in row else row for row, value in pairs]
        return rows

    def _extras(self, fmt: Format, rows: list[dict[str, Any]]) -> list[str | None]:
        placed = {*fmt.columns(), PAIR_ID} - set(fmt.keep_in_extra)
        extras: list[str | None] = []
        for row in rows:
            if row.keys() <= placed and not any(type(v) is list for v in row.values()):
                extras.append(None)
                continue
            rest = {k: v for k, v in row.items() if k not in placed and v is not None}
            lossy = (k for k in fmt.text_columns if k not in rest and has_other_keys(row.get(k)))
            rest.update({k: row[k] for k in lossy})
            extras.append(object_to_json(rest) if rest else None)
        return extras


def _text_series(
    name: str, values: list[Any], scalars_are_text: bool, errors: dict[int, str]
) -> pl.Series:
    """A text column as String or as messages, whichever most of its values are."""
    try:
        return pl.Series(name, values, dtype=pl.String, strict=True)
    except (TypeError, pl.exceptions.PolarsError):
        pass  # not text throughout
    kinds = Counter("text" if type(v) is str else "messages" for v in values if _is_text(v))
    most = "messages" if kinds["messages"] > kinds["text"] else "text"
    out: list[Any] = []
    for i, value in enumerate(values):
        text = str(value) if scalars_are_text and type(value) in (bool, int, float) else value
        converted, problem = _one_text(text, most)
        out.append(converted)
        if problem:
            errors.setdefault(i, f"'{name}' {problem}")
    return pl.Series(name, out, dtype=pl.String if most == "text" else MESSAGES)


def _is_text(value: Any) -> bool:
    return type(value) in (str, list, dict)


def _one_text(value: Any, most: str) -> tuple[Any, str | None]:
    if value is None:
        return None, None
    if not _is_text(value):
        return None, f"is {_shown(value)}; expected text or a list of messages"
    if (type(value) is str) != (most == "text"):
        kind = "text" if type(value) is str else "a list or object"
        return None, f"is {kind}, while most rows hold {most}"
    if type(value) is str:
        return value, None
    return as_messages(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text[:40]}... ({type(value).__name__})" if len(text) > 40 else text


_SCALARS: Mapping[type, str] = {bool: "bool", int: "number", float: "number", str: "text"}


def _value_series(name: str, values: list[Any], errors: dict[int, str]) -> pl.Series:
    """A scalar column in the type of most of its values."""
    kinds = Counter(_SCALARS.get(type(v), "object") for v in values if v is not None)
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    most = kinds.most_common(1)[0][0]
    kept: list[Any] = []
    for i, value in enumerate(values):
        kind = None if value is None else _SCALARS.get(type(value), "object")
        right = kind in (None, most) and kind != "object"
        kept.append(value if right else None)
        if not right:
            errors.setdefault(i, f"'{name}' is {_shown(value)}, while most rows hold a {most}")
    return pl.Series(name, kept, strict=False)


@dataclass
class ArrowBlock(Block):
    """Rows of a columnar file."""

    table: pa.Table
    numbers: Sequence[int]
    broken: dict[int, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    replaced: int = 0

    def __post_init__(self) -> None:
        """Bring the columns to types that can be looked into."""
        columns = []
        for column in self.table.columns:
            whole, replaced = arrow_types.whole_utf8(arrow_types.plain(column))
            columns.append(whole)
            self.replaced += replaced
        self.table = pa.table(columns, names=self.table.column_names)

    def __len__(self) -> int:
        return len(self.table) + len(self.broken)

    def sample(self, rows: int) -> RowSample:
        """The first rows as dicts."""
        sample: Sequence[Mapping[str, Any]] = self.table.slice(0, rows).to_pylist()
        return sample

    def frame(self, fmt: Format) -> pl.DataFrame:
        """The columns in the types that formats take, without a loop over rows."""
        self._parse_messages(fmt)
        read = [c for c in dict.fromkeys((*fmt.columns(), PAIR_ID)) if c in self.table.column_names]
        errors: dict[int, str] = {}
        frame = self._read(read, errors)
        out = frame.select(pl.Series(ROW, self.numbers, dtype=pl.Int64), self._extra(fmt))
        wrong = [errors.get(i) for i in range(len(self.table))]
        out = out.with_columns(pl.Series(ERROR, wrong, dtype=pl.String))
        for name in fmt.text_columns:
            column, problem = _arrow_text(frame, name, fmt.scalars_are_text)
            out = out.with_columns(column.alias(name))
            if problem is not None:
                out = out.with_columns(pl.col(ERROR).fill_null(problem))
            elif column.dtype == MESSAGES:
                told = pl.lit(
                    f"'{name}' has a message without role or content; expected both as text"
                )
                out = out.with_columns(
                    pl.col(ERROR).fill_null(pl.when(unspoken(column)).then(told))
                )
        for name in dict.fromkeys((*fmt.value_columns, PAIR_ID)):
            out = out.with_columns(_column(frame, name).alias(name))
        for name, dtype in fmt.nested_columns.items():
            column, problem = _arrow_nested(frame, name, dtype)
            out = out.with_columns(column)
            if problem is not None:
                out = out.with_columns(pl.col(ERROR).fill_null(problem))
        broken = pl.DataFrame(
            {ROW: list(self.broken), ERROR: list(self.broken.values())},
            schema={ROW: pl.Int64, ERROR: pl.String},
        )
        return pl.concat([out, broken], how="diagonal")

    def _parse_messages(self, fmt: Format) -> None:
        """Conversations that stand as JSON text in a text column become lists of messages."""
        for name in set(fmt.text_columns) & set(self.table.column_names):
            column = self.table[name]
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                found = messages_in_texts(column.slice(0, LOOKED_AT).to_pylist())
                found = None if found is None else messages_in_texts(column.to_pylist())
                if found is None or not all(v is None or isinstance(v, list) for v in found):
                    continue
                with suppress(pa.ArrowException):  # shapes that no column holds stay text
                    at = self.table.column_names.index(name)
                    self.table = self.table.set_column(at, name, pa.array(found))

    def _read(self, names: list[str], errors: dict[int, str]) -> pl.DataFrame:
        """The columns that the format reads; a type that has no place there becomes text."""
        columns = {}
        for name in names:
            column = self.table[name]
            if arrow_types.is_bytes(column.type):
                column, wrong = arrow_types.bytes_as_text(column)
                errors |= dict.fromkeys(wrong, f"'{name}' holds bytes that are no UTF-8 text")
            elif not arrow_types.is_json(column.type):
                texts = arrow_types.as_json(column)
                column = pa.chunked_array([pa.array(texts, pa.large_string())])
            columns[name] = column
        frame = pl.DataFrame(pl.from_arrow(pa.table(columns))) if columns else pl.DataFrame()
        return frame if columns else pl.DataFrame({ROW: self.numbers}, schema={ROW: pl.Int64})

    def _extra(self, fmt: Format) -> pl.Series:
        """JSON of what the format does not place: other columns, messages with more than texts."""
        placed = {*fmt.columns(), PAIR_ID} - set(fmt.keep_in_extra)
        entries = []
        for name, column in zip(self.table.column_names, self.table.columns, strict=True):
            if name not in placed:
                entries.append(_json_entry(name, column))
            elif name in fmt.text_columns and pa.types.is_nested(column.type):
                more = [with_more(value) for value in column.to_pylist()]
                if any(more):
                    texts = [None if value is None else to_json(value) for value in more]
                    entries.append(_entry(name, pl.Series(texts, dtype=pl.String)))
        if not entries:
            return pl.Series(EXTRA, [None] * len(self.table), dtype=pl.String)
        joined = pl.concat_str(pl.all(), separator=",", ignore_nulls=True)
        frame = pl.DataFrame({str(i): entry for i, entry in enumerate(entries)}).select(t=joined)
        whole = pl.lit("{") + pl.col("t") + pl.lit("}")
        return frame.select(pl.when(pl.col("t") != "").then(whole).alias(EXTRA)).to_series()


def _json_entry(name: str, column: pa.ChunkedArray) -> pl.Series:
    """`"name":value` of each row, null where the value is."""
    if not arrow_types.is_json(column.type):
        return _entry(name, pl.Series(arrow_types.as_json(column), dtype=pl.String))
    values = pl.DataFrame(pl.from_arrow(pa.table({"v": column})))
    encoded = pl.struct("v").struct.json_encode().str.strip_prefix('{"v":').str.strip_suffix("}")
    return _entry(name, values.select(pl.when(pl.col("v").is_not_null()).then(encoded)).to_series())


def _entry(name: str, json_values: pl.Series) -> pl.Series:
    return json_values.to_frame("v").select(pl.lit(to_json(name) + ":") + pl.col("v")).to_series()


def _column(frame: pl.DataFrame, name: str) -> pl.Series:
    if name in frame.columns:
        return frame[name]
    return pl.Series(name, [None] * len(frame), dtype=pl.Null)


def _arrow_text(
    frame: pl.DataFrame, name: str, scalars_are_text: bool
) -> tuple[pl.Series, str | None]:
    column = _column(frame, name)
    if column.dtype in (pl.String, pl.Null, pl.Categorical):
        return column.cast(pl.String), None
    messages = normalise_messages(column)
    if messages is not None:
        return messages, None
    if scalars_are_text and (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        return column.cast(pl.String), None
    nulls = pl.Series(name, [None] * len(frame), dtype=pl.String)
    return nulls, f"'{name}' is a column of {column.dtype}; expected text or a list of messages"


def _wrong_shape(name: str, dtype: pl.DataType) -> str:
    return f"'{name}' is of another shape; expected {dtype}"


def _arrow_nested(
    frame: pl.DataFrame, name: str, dtype: pl.DataType
) -> tuple[pl.Series, str | None]:
    """The column in the given type; fields that are not in it are left out, missing ones null."""
    column = _column(frame, name)
    if column.dtype == pl.Null:
        return column.cast(dtype), None
    wrapped = pl.Struct({name: dtype})
    encoded = column.to_frame().select(pl.struct(name).struct.json_encode()).to_series()
    nested, wrong = decode_json(encoded, wrapped)
    if wrong:
        nulls = pl.Series(name, [None] * len(frame), dtype=dtype)
        return nulls, _wrong_shape(name, dtype)
    return nested.struct.field(name), None
