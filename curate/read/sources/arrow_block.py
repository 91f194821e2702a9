"""Rows of columnar files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson
import polars as pl
import pyarrow as pa

from curate.data.attachments import MEDIA, MEDIA_COLUMNS
from curate.data.json_fields import decode_json, encode_json
from curate.data.json_text import to_json
from curate.read.embedded_json import embedded_json_as_text, parse_message_column
from curate.read.formats import ERROR, EXTRA, ROW, Format
from curate.read.formats.base import BoundFormat, RowSample
from curate.read.message_columns import (
    SAMPLE_TEXTS,
    MessageColumn,
    drop_null_fields,
    messages_from_values,
    normalise_message_column,
)
from curate.read.sources import arrow_types
from curate.read.sources.attachment_columns import (
    ATTACHMENT_COLUMNS,
    REJECTED_TOOLS,
    RowAttachments,
    add_attachment,
    add_media_attachment,
    attachment_sources,
    check_rejected_tools,
    first_not_null,
    media_series,
    split_documents,
)
from curate.read.sources.blocks import PAIR_ID, RowBlock, wrong_shape
from curate.read.sources.conversation_objects import conversation_object_columns
from curate.read.sources.python_block import PythonBlock


@dataclass
class ArrowBlock(RowBlock):
    """Rows of a columnar file."""

    table: pa.Table
    numbers: Sequence[int]
    broken: dict[int, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    replaced: int = 0

    def __post_init__(self) -> None:
        """Convert the columns to types that can be inspected."""
        columns = []
        self._undecodable: dict[str, list[int]] = {}
        self._json_typed = {f.name for f in self.table.schema if isinstance(f.type, pa.JsonType)}
        for name, stored in zip(self.table.column_names, self.table.columns, strict=True):
            column = arrow_types.decode_column(stored)
            holds_media = name in ATTACHMENT_COLUMNS and arrow_types.holds_bytes(column.type)
            if holds_media or arrow_types.holds_files(column.type):
                columns.append(column)  # files of media, which are no texts
                continue
            if arrow_types.holds_text_bytes(column):
                column, self._undecodable[name] = arrow_types.bytes_as_text(column)
                self.notes = (*self.notes, f"'{name}' holds bytes that are UTF-8: read as text")
            valid_column, replaced = arrow_types.replace_invalid_utf8(column)
            columns.append(valid_column)
            self.replaced += replaced
        self.table = pa.table(columns, names=self.table.column_names)

    def __len__(self) -> int:
        return len(self.table) + len(self.broken)

    def sample(self, rows: int) -> RowSample:
        """Return the first rows as dicts."""
        sample: Sequence[Mapping[str, object]] = self.table.slice(0, rows).to_pylist()
        return sample

    def frame(self, bound: BoundFormat) -> pl.DataFrame:
        """Return the columns in the types that formats take, without a loop over rows."""
        fmt = bound.format
        if self._holds_conversation_objects(fmt):
            rows = [drop_null_fields(row) for row in self.table.to_pylist()]
            return PythonBlock(rows, list(self.numbers), self.broken).frame(bound)
        # Before the columns: a row whose tools or media are wrong is an error, whatever its texts
        # say.
        attachments = self._attachments(bound)
        names = dict.fromkeys((*bound.columns(), PAIR_ID))
        read = [name for name in names if name in self.table.column_names]
        errors = attachments.errors
        for name in self._undecodable.keys() & read:
            errors |= dict.fromkeys(self._undecodable[name], _not_text_error(name))
        messages = self._message_columns(fmt, errors)
        # Each column is decoded once: messages, JSON and media have readers of their own.
        converted_columns = {*messages, *fmt.json_columns, *fmt.media_columns}
        frame = self._read_columns([c for c in read if c not in converted_columns], errors)
        media = [self._media_answers(name, attachments) for name in fmt.media_columns]
        out = frame.select(
            pl.Series(ROW, self.numbers, dtype=pl.Int64), self._extra(bound, attachments)
        )
        wrong = list(map(errors.get, range(len(self.table))))
        out = out.with_columns(pl.Series(ERROR, wrong, dtype=pl.String))
        out = out.with_columns(*attachments.frame(len(self.table)), *messages.values(), *media)
        for name in [name for name in fmt.text_columns if name not in messages]:
            column, problem = _arrow_text(frame, name, fmt.scalars_are_text)
            out = out.with_columns(column.alias(name), pl.col(ERROR).fill_null(pl.lit(problem)))
        for name in dict.fromkeys((*bound.value_columns, PAIR_ID)):
            out = out.with_columns(_column_or_nulls(frame, name).alias(name))
        out = out.with_columns(
            self._json(name, bound.options.json_as_text) for name in fmt.json_columns
        )
        for name, dtype in fmt.nested_columns.items():
            column, problems = _arrow_nested(frame, name, dtype)
            out = out.with_columns(column, pl.col(ERROR).fill_null(problems))
        return self.with_broken(out, self.broken)

    def _holds_conversation_objects(self, fmt: Format) -> bool:
        """Return whether a text column holds objects around conversations."""
        head = self.table.select([n for n in fmt.text_columns if n in self.table.column_names])
        return bool(conversation_object_columns(head.slice(0, SAMPLE_TEXTS).to_pydict()))

    def _attachments(self, bound: BoundFormat) -> RowAttachments:
        """Return tools, media and arguments of the rows."""
        attachments = RowAttachments()
        for attachment, every in attachment_sources(
            self.table.column_names, bound.columns()
        ).items():
            names = [n for n in every if not pa.types.is_null(self.table.column(n).type)]
            columns = [self.table.column(name) for name in names]
            if attachment in MEDIA_COLUMNS and len(columns) == 1:
                name = names[0]
                add_media_attachment(
                    attachment, name, pl.Series(name, pl.from_arrow(columns[0])), attachments
                )
            elif columns:
                rows = zip(*(column.to_pylist() for column in columns), strict=True)
                values = first_not_null(names, ([drop_null_fields(v) for v in row] for row in rows))
                add_attachment(attachment, names, values, attachments)
            attachments.sources.update(every)
        split_documents(attachments)
        if REJECTED_TOOLS in self.table.column_names and REJECTED_TOOLS not in bound.columns():
            check_rejected_tools(
                [drop_null_fields(v) for v in self.table[REJECTED_TOOLS].to_pylist()], attachments
            )
        return attachments

    def _media_answers(self, name: str, attachments: RowAttachments) -> pl.Series:
        """Return a column of media that are answers."""
        if name not in self.table.column_names:
            return pl.Series(name, [None] * len(self.table), dtype=MEDIA)
        column = pl.Series(name, pl.from_arrow(self.table[name]))
        return media_series(name, column, attachments)

    def _json(self, name: str, json_as_text: bool) -> pl.Series:
        """Return a column as JSON texts, without the fields that only other rows have.

        Where it is `folded`, texts may be JSON already.
        """
        values = self.table[name].to_pylist() if name in self.table.column_names else []
        values = [drop_null_fields(v) for v in values]
        json_values = (None if v is None else to_json(v) for v in values)
        texts = embedded_json_as_text(values) if json_as_text else list(json_values)
        return pl.Series(name, texts or [None] * len(self.table), dtype=pl.String)

    def _message_columns(self, fmt: Format, errors: dict[int, str]) -> dict[str, pl.Series]:
        """Return the text columns that hold messages."""
        message_columns = {}
        for name in set(fmt.text_columns) & set(self.table.column_names):
            turns = self._messages_of(name, fmt.holds_pair_messages)
            if turns is not None:
                message_columns[name], wrong = turns
                errors |= wrong
        return message_columns

    def _messages_of(self, name: str, is_pair_message: bool) -> MessageColumn | None:
        """Return a column as messages, or None where it holds none."""
        column = self.table[name]
        if arrow_types.is_text(column.type):
            if name in self._json_typed:
                values = [None if v is None else orjson.loads(v) for v in column.to_pylist()]
                texts = sum(isinstance(v, str) for v in values)
                not_null_count = sum(v is not None for v in values)
                return (
                    None
                    if texts * 2 >= not_null_count
                    else messages_from_values(name, values, is_pair_message)
                )
            if parse_message_column(column.slice(0, SAMPLE_TEXTS).to_pylist()) is None:
                return None
            talks = parse_message_column(column.to_pylist())
            return None if talks is None else messages_from_values(name, talks, is_pair_message)
        if not pa.types.is_nested(column.type):
            return None
        if arrow_types.is_json(column.type):
            return normalise_message_column(pl.Series(name, pl.from_arrow(column)), is_pair_message)
        # Types that polars has no place for.
        return messages_from_values(
            name, [drop_null_fields(v) for v in column.to_pylist()], is_pair_message
        )

    def _read_columns(self, names: list[str], errors: dict[int, str]) -> pl.DataFrame:
        """Return the columns that the format reads; a type that has no place there becomes text."""
        columns = {}
        for name in names:
            column = self.table[name]
            if arrow_types.is_bytes(column.type):
                column, wrong = arrow_types.bytes_as_text(column)
                errors |= dict.fromkeys(wrong, _not_text_error(name))
            elif not arrow_types.is_json(column.type):
                texts = arrow_types.json_texts(column)
                column = pa.chunked_array([pa.array(texts, pa.large_string())])
            columns[name] = column
        frame = pl.DataFrame(pl.from_arrow(pa.table(columns))) if columns else pl.DataFrame()
        return frame if columns else pl.DataFrame({ROW: self.numbers}, schema={ROW: pl.Int64})

    def _extra(self, bound: BoundFormat, attachments: RowAttachments) -> pl.Series:
        """Return the columns that neither the format nor an attachment reads, as JSON."""
        placed = {*bound.columns(), PAIR_ID} - set(bound.format.keep_in_extra) | set(
            attachments.sources
        )
        entries = []
        for name, column in zip(self.table.column_names, self.table.columns, strict=True):
            if name not in placed:
                entries.append(_json_entry(name, column))
            elif attachments.unplaced_rows.get(name):
                values = _json_entry(name, column)
                rows = pl.Series([i in attachments.unplaced_rows[name] for i in range(len(column))])
                # A value that fits no column of the pair table stays in `extra`, in those rows
                # alone.
                entries.append(pl.select(pl.when(rows).then(values)).to_series())
        if not entries:
            return pl.Series(EXTRA, [None] * len(self.table), dtype=pl.String)
        joined = pl.concat_str(pl.all(), separator=",", ignore_nulls=True)
        frame = pl.DataFrame({str(i): entry for i, entry in enumerate(entries)}).select(t=joined)
        # As text, so that no Python object is made for a row.
        json_object = pl.lit("{") + pl.col("t") + pl.lit("}")
        return frame.select(pl.when(pl.col("t") != "").then(json_object).alias(EXTRA)).to_series()


def _not_text_error(name: str) -> str:
    return f"'{name}' holds bytes that are no UTF-8 text"


def _json_entry(name: str, column: pa.ChunkedArray) -> pl.Series:
    """Return `"name":value` of each row, null if the value is null."""
    if not arrow_types.is_json(column.type):
        return _json_entries(name, pl.Series(arrow_types.json_texts(column), dtype=pl.String))
    values = pl.DataFrame(pl.from_arrow(pa.table({"v": column})))
    encoded = pl.when(pl.col("v").is_not_null()).then(encode_json("v"))
    return _json_entries(name, values.select(encoded).to_series())


def _json_entries(name: str, json_values: pl.Series) -> pl.Series:
    return json_values.to_frame("v").select(pl.lit(to_json(name) + ":") + pl.col("v")).to_series()


def _column_or_nulls(frame: pl.DataFrame, name: str) -> pl.Series:
    if name in frame.columns:
        return frame[name]
    return pl.Series(name, [None] * len(frame), dtype=pl.Null)


def _arrow_text(
    frame: pl.DataFrame, name: str, scalars_are_text: bool
) -> tuple[pl.Series, str | None]:
    column = _column_or_nulls(frame, name)
    if column.dtype in (pl.String, pl.Null, pl.Categorical):
        return column.cast(pl.String), None
    if scalars_are_text and (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        return column.cast(pl.String), None
    nulls = pl.Series(name, [None] * len(frame), dtype=pl.String)
    return nulls, f"'{name}' is a column of {column.dtype}; expected text or a list of messages"


def _arrow_nested(
    frame: pl.DataFrame, name: str, dtype: pl.DataType
) -> tuple[pl.Series, pl.Series]:
    """Return the column in the given type, and what is wrong in each row.

    Fields that are not in the type are left out, missing ones null.
    """
    column = _column_or_nulls(frame, name)
    no_problems = pl.Series([None] * len(frame), dtype=pl.String)
    if column.dtype == pl.Null:
        return column.cast(dtype), no_problems
    if column.dtype == pl.String:
        texts = pl.Series(name, embedded_json_as_text(column.to_list()), dtype=pl.String)
        nested, wrong = decode_json(texts, dtype)
        problem = wrong_shape(name, dtype)
        return nested, no_problems.scatter(wrong, problem) if wrong else no_problems
    wrapped = pl.Struct({name: dtype})
    encoded = column.to_frame().select(pl.struct(name).struct.json_encode()).to_series()
    decoded, wrong = decode_json(encoded, wrapped)
    if not wrong:
        return decoded.struct.field(name), no_problems
    # A column has one type: what is wrong in one row is so in all.
    nulls = pl.Series(name, [None] * len(frame), dtype=dtype)
    return nulls, pl.repeat(wrong_shape(name, dtype), len(frame), eager=True)
