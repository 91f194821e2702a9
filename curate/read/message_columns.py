"""Columns of chat messages as those of the pair table, and the errors of their rows."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import polars as pl

from curate.data.messages import parse_json_object
from curate.data.table import MESSAGES, messages_series, plain_message
from curate.read.messages import (
    CALLERS,
    CONTENT_KEYS,
    EXCHANGES,
    PAIR_MESSAGE_FIELDS,
    ROLE_KEYS,
    ROLES,
    as_messages,
)

SAMPLE_TEXTS = 20
"""Texts of a column that are inspected before all of them are parsed."""

MessageColumn = tuple[pl.Series, dict[int, str]]
"""A column of messages, and the errors of its rows."""


def normalise_message_column(
    column: pl.Series, is_pair_message: bool = False
) -> MessageColumn | None:
    """Return a struct or list column as messages, with errors of rows; None for others."""
    dtype = column.dtype
    inner = dtype.inner if isinstance(dtype, pl.List) else dtype
    if isinstance(inner, pl.Struct):
        names = {f.name for f in inner.fields}
        is_exchange = any(names.issuperset(keys) for keys in EXCHANGES)
        if not any(k in names for k in ROLE_KEYS):
            values = [drop_null_fields(value) for value in column.to_list()]
            return messages_from_values(column.name, values) if is_exchange else None
        # Avoid the loop if possible: most columns hold only roles and texts.
        usual_messages = _convert_usual_column(column, inner, is_pair_message)
        if usual_messages is not None:
            return usual_messages, {}
    elif not (isinstance(dtype, pl.List) and inner == pl.String and _are_json_messages(column)):
        return None
    return messages_from_values(
        column.name, [drop_null_fields(value) for value in column.to_list()], is_pair_message
    )


def messages_from_values(
    name: str, values: Sequence[object], is_pair_message: bool = False
) -> MessageColumn:
    """Return messages from Python values, and the errors of rows."""
    turns, errors = [], {}
    for row, value in enumerate(values):
        turn, problem = None, None
        # A column has one kind: a text among conversations is an error, not converted.
        if isinstance(value, str) and parse_json_object(value) is value:
            problem = "is a text, while most rows hold messages"
        elif value is not None:
            turn, problem = as_messages(value, is_pair_message)
        turns.append(turn)
        if problem:
            errors[row] = f"'{name}' {problem}"
    return messages_series(name, turns), errors


def _are_json_messages(column: pl.Series) -> bool:
    """Return whether the lists of texts are messages, each as its JSON text."""
    head = [text for texts in column.drop_nulls().head(SAMPLE_TEXTS) for text in texts]
    return bool(head) and all(isinstance(parse_json_object(text), dict) for text in head)


def _convert_usual_column(
    column: pl.Series, struct: pl.Struct, is_pair_message: bool
) -> pl.Series | None:
    """Return the messages if each is a role and a text, without a loop over rows; else None."""
    schema = struct.to_schema()
    is_list = isinstance(column.dtype, pl.List)
    if is_pair_message and schema.keys() == PAIR_MESSAGE_FIELDS and is_list:
        return column.cast(MESSAGES)
    role, content = _field_names(schema)
    if role is None or content is None or {schema[role], schema[content]} != {pl.String}:
        return None
    messages = (column.list.drop_nulls().explode(empty_as_null=False) if is_list else column).struct
    fields = {name: messages.field(name) for name in schema}
    if not _are_usual_fields(fields, role, content):
        return None
    frame = column.alias("m").to_frame()
    if is_list:
        if fields[role].null_count() or fields[content].null_count():
            return None
    else:
        # A null in a column of single messages is a row without a message.
        is_row = pl.col("m").is_not_null()
        if frame.filter(is_row)["m"].struct.field(content).null_count():
            return None
        frame = frame.select(pl.when(is_row).then(pl.concat_list("m")).alias("m"))
    speaker = pl.element().struct.field(role).replace(ROLES)
    turn = plain_message(speaker, pl.element().struct.field(content))
    return frame.select(pl.col("m").list.eval(turn).cast(MESSAGES))["m"].alias(column.name)


def _field_names(schema: Collection[str]) -> tuple[str | None, str | None]:
    """Return the fields of role and content."""
    role = next((key for key in ROLE_KEYS if key in schema), None)
    return role, next((key for key in CONTENT_KEYS if key in schema), None)


def _are_usual_fields(fields: Mapping[str, pl.Series], role: str, content: str) -> bool:
    """Return whether messages hold roles and contents only, and no tool call."""
    # Other fields may be there and empty, as in files whose schema serves several datasets.
    other_fields = (field for name, field in fields.items() if name not in (role, content))
    if any(field.null_count() < len(field) for field in other_fields):
        return False
    # Their text is JSON of a call, which needs the slow way.
    if fields[role].is_in(CALLERS).any():
        return False
    return not (fields[role].str.strip_chars() == "").any()


def drop_null_fields(value: Any) -> Any:
    """Return a value of a columnar file without the fields that only other rows have.

    Bytes become a data URL, which JSON can hold.
    """
    if isinstance(value, dict):
        return {k: drop_null_fields(v) for k, v in value.items() if v is not None}
    if isinstance(value, bytes):
        return "data:application/octet-stream;base64," + base64.b64encode(value).decode()
    return [drop_null_fields(v) for v in value] if isinstance(value, list) else value
