"""Finds formats that a dataset nearly matches: one column is missing, or of another type."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from curate.read.formats.base import Format, RowSample

_MESSAGE = {"role": "user", "content": "text"}
_ANSWER = {"role": "assistant", "content": "text"}
_PROBES: tuple[object, ...] = (
    "text", 1, True, 1.5, [_MESSAGE, _ANSWER], [_ANSWER], ["text", "text"], [1.0, 2.0], {},
)  # fmt: skip
# Known formats that are named to the user; more would not help the choice.
_MAX_NAMED_FORMATS = 3
_PROBED_ROWS = 5


def closest_formats(rows: RowSample, candidates: list[Format], matches_sample: Any) -> list[str]:
    """Return why a sample is not of the formats that it resembles most, a sentence each.

    Each column of a format is given values of other types, one column at a time: where the sample
    then is of the format, that column is what is wrong.

    Args:
        rows: a sample.
        candidates: formats that the sample is not of.
        matches_sample: whether a sample is of a format.
    """
    sample = [dict(row) for row in rows[:_PROBED_ROWS]]
    present = {key for row in sample for key in row}
    near_misses: list[tuple[int, str, str]] = []
    for fmt in candidates:
        present_columns = [c for c in fmt.columns() if c in present]
        if not present_columns:
            continue
        for column in fmt.columns():
            if any(
                matches_sample(fmt, [row | {column: probe} for row in sample]) for probe in _PROBES
            ):
                near_misses.append(
                    (-len(present_columns), fmt.name, _describe_near_miss(fmt, column, sample))
                )
                break
    return [text for _, _, text in sorted(near_misses)[:_MAX_NAMED_FORMATS]]


def _describe_near_miss(fmt: Format, column: str, rows: list[dict[str, object]]) -> str:
    values = [row[column] for row in rows if row.get(column) is not None]
    if not values:
        unused_columns = sorted({key for row in rows for key in row} - set(fmt.columns()))
        close = get_close_matches(column, unused_columns, 1)
        suggestion = f" (is it '{close[0]}'?)" if close else ""
        return f"'{fmt.name}', but for the column '{column}', which is missing{suggestion}"
    return f"'{fmt.name}', but for the column '{column}', which holds {describe_kind(values[0])}"


def describe_kind(value: object) -> str:
    """Describe the kind of a value in plain words."""
    if isinstance(value, list):
        inner = (
            describe_kind(value[0]).removeprefix("a ").removeprefix("an ") if value else "nothing"
        )
        return f"a list of {inner}"
    names = {bool: "a bool", int: "a number", float: "a number", str: "a text", dict: "an object"}
    return next((name for kind, name in names.items() if type(value) is kind), "nothing known")
