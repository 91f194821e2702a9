"""Formats that a data set nearly is of: one column is missing, or of another type."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from curate.read.formats.base import Format, RowSample

_MESSAGE = {"role": "user", "content": "text"}
_ANSWER = {"role": "assistant", "content": "text"}
_PROBES: tuple[Any, ...] = (
    "text", 1, True, 1.5, [_MESSAGE, _ANSWER], [_ANSWER], ["text", "text"], [1.0, 2.0], {},
)  # fmt: skip
# Known formats that are named to the user; more would not help the choice.
_MOST = 3
_ROWS = 5


def closest_formats(rows: RowSample, candidates: list[Format], fits: Any) -> list[str]:
    """What keeps a sample from being of the formats that it resembles most, a sentence each.

    Each column of a format is given values of other types, one column at a time: where the sample
    then is of the format, that column is what is wrong.

    Args:
        rows: a sample.
        candidates: formats that the sample is not of.
        fits: tells whether a sample is of a format.
    """
    some = [dict(row) for row in rows[:_ROWS]]
    present = {key for row in some for key in row}
    found: list[tuple[int, str, str]] = []
    for fmt in candidates:
        known = [c for c in fmt.columns() if c in present]
        if not known:
            continue
        for column in fmt.columns():
            if any(fits(fmt, [row | {column: probe} for row in some]) for probe in _PROBES):
                found.append((-len(known), fmt.name, _said(fmt, column, some)))
                break
    return [text for _, _, text in sorted(found)[:_MOST]]


def _said(fmt: Format, column: str, rows: list[dict[str, Any]]) -> str:
    values = [row[column] for row in rows if row.get(column) is not None]
    if not values:
        others = sorted({key for row in rows for key in row} - set(fmt.columns()))
        close = get_close_matches(column, others, 1)
        meant = f" (is it '{close[0]}'?)" if close else ""
        return f"'{fmt.name}', but for the column '{column}', which is missing{meant}"
    return f"'{fmt.name}', but for the column '{column}', which holds {describe_kind(values[0])}"


def describe_kind(value: Any) -> str:
    """What a value is, in plain words."""
    if isinstance(value, list):
        inner = (
            describe_kind(value[0]).removeprefix("a ").removeprefix("an ") if value else "nothing"
        )
        return f"a list of {inner}"
    names = {bool: "a bool", int: "a number", float: "a number", str: "a text", dict: "an object"}
    return next((name for kind, name in names.items() if type(value) is kind), "nothing known")
