"""Fields inside of columns: `a.b`, `a[0].b`, and `a[].b` for the field of each item of a list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import polars as pl

from curate.data.json_text import to_json
from curate.data.table import messages_series
from curate.read.formats.base import ERROR
from curate.read.messages import as_messages

_STEP = re.compile(r"\.([^.\[\]]+)|\[(-?\d*)\]")
_NESTED = re.compile(r"([^.\[\]]+)((?:\.[^.\[\]]+|\[-?\d*\])+)")
EVERY = ""
"""The step that takes each item of a list."""

Step = str | int


def split_path(column: str) -> tuple[str, tuple[Step, ...]]:
    """Return the column of a path, and its steps within a value; a plain name has no steps.

    Examples:
        >>> split_path("turns[0].text")
        ('turns', (0, 'text'))
        >>> split_path("outputs[].rank")
        ('outputs', ('', 'rank'))
    """
    match = _NESTED.fullmatch(column)
    if match is None:
        return column, ()
    steps = (key or (int(index) if index else EVERY) for key, index in _STEP.findall(match[2]))
    return match[1], tuple(steps)


def nested_value(value: Any, steps: Sequence[Step]) -> object:
    """Return what a value holds at a path; null where it holds nothing there."""
    for number, step in enumerate(steps):
        if step == EVERY:
            listed = value if isinstance(value, list) else []
            return [nested_value(item, steps[number + 1 :]) for item in listed]
        if isinstance(step, int):
            is_inside = isinstance(value, list) and -len(value) <= step < len(value)
            value = value[step] if is_inside else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


class NestedColumns:
    """Columns of JSON texts, of which several paths may be read: each column is parsed once."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self._rows = rows
        self._parsed: dict[str, list[Any]] = {}

    def values(self, column: str) -> list[Any]:
        """Return the value of each row at a path."""
        root, steps = split_path(column)
        if root not in self._parsed:
            texts = self._rows[root]
            self._parsed[root] = [None if text is None else orjson.loads(text) for text in texts]
        return [nested_value(value, steps) for value in self._parsed[root]]


def with_nested_texts(
    rows: pl.DataFrame, nested: NestedColumns, column: str, role: str
) -> pl.DataFrame:
    """Return the rows with a column of messages, named by its path; texts are spoken by `role`."""
    listed, errors = [], []
    for value in nested.values(column):
        turns, problem = value_as_messages(value, role)
        listed.append(turns)
        errors.append(f"'{column}' {problem}" if problem else None)
    previous = pl.col(ERROR) if ERROR in rows.columns else pl.lit(None, dtype=pl.String)
    problems = pl.Series(errors, dtype=pl.String)
    return rows.with_columns(messages_series(column, listed)).with_columns(
        pl.coalesce(previous, problems).alias(ERROR)
    )


def value_as_messages(value: Any, role: str) -> tuple[list[Any] | None, str | None]:
    """Return a text or messages as messages, or None and what is wrong."""
    if value is None:
        return None, None
    if isinstance(value, str):
        return as_messages({"role": role, "content": value})
    if not isinstance(value, list | dict):
        return None, f"is {value!r}; expected text or messages"
    return as_messages(value)


def with_nested_scalars(
    rows: pl.DataFrame, nested: NestedColumns, columns: Iterable[str]
) -> pl.DataFrame:
    """Return the rows with columns of numbers or texts, named by their paths."""
    for column in columns:
        values = [_as_scalar(value) for value in nested.values(column)]
        rows = rows.with_columns(pl.Series(column, values, strict=False))
    return rows


def _as_scalar(value: object) -> object:
    return to_json(value) if isinstance(value, list | dict) else value
