"""Tables that JSON holds by columns, as pandas and `datasets` write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curate.read.messages import is_message


def rows_of_columns(value: Mapping[str, Any]) -> list[dict[str, object]] | None:
    """Return the rows of an object that holds columns, None where it holds none.

    Known are {column: [value, ...]} (`Dataset.to_dict`), {column: {index: value}} (`to_json` of
    pandas) and {"columns": [...], "data": [[...], ...]} (its orient "split"). One row whose values
    are lists of messages is none of these.
    """
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        return _rows_of_split_table(value["columns"], value["data"])
    columns = list(value.values())
    if len(columns) < 2:
        return None
    if all(isinstance(column, dict) for column in columns):
        return _rows_by_index(value)
    if all(isinstance(column, list) and column for column in columns):
        return _rows_by_position(value)
    return None


def _rows_by_index(value: Mapping[str, dict[str, object]]) -> list[dict[str, object]] | None:
    index = next(iter(value.values())).keys()
    # pandas numbers its rows; keys of another kind are those of an object.
    numbered = bool(index) and all(key.isdigit() for key in index)
    if not numbered or any(column.keys() != index for column in value.values()):
        return None
    return [{name: column[key] for name, column in value.items()} for key in index]


def _rows_by_position(value: Mapping[str, list[object]]) -> list[dict[str, object]] | None:
    columns = list(value.values())
    one_length = len({len(column) for column in columns}) == 1
    if not one_length or any(is_message(column[0]) for column in columns):
        return None
    if all(isinstance(column[0], dict) for column in columns):
        return None  # several arrays of rows, such as a train and a test split of one length
    return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]


def _rows_of_split_table(names: list[Any], data: list[Any]) -> list[dict[str, object]] | None:
    if not all(isinstance(row, list) and len(row) == len(names) for row in data):
        return None
    return [dict(zip(map(str, names), row, strict=True)) for row in data]


def rows_of_index(value: dict[str, Any]) -> list[dict[str, object]] | None:
    """Return the rows of an object that holds each by number or name; None for other objects.

    As pandas' `to_json(orient="index")` writes a table. A name that is no number is the row's `id`.
    """
    rows = list(value.values())
    if len(rows) < 2 or not all(isinstance(row, dict) and row for row in rows):
        return None
    # Rows of one table share keys; parts of one object do not, and messages are parts of a row.
    if any(row.keys().isdisjoint(rows[0]) or is_message(row) for row in rows):
        return None
    if all(_is_column(cell) for row in rows for cell in row.values()):
        return None  # tables by columns, such as a train and a test split
    if all(name.isdigit() for name in value):
        return rows
    return [{"id": name} | row for name, row in value.items()]


def _is_column(cell: object) -> bool:
    """Return whether a value is a list that is no conversation."""
    return isinstance(cell, list) and not (cell and is_message(cell[0]))
