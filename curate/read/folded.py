"""Lists and objects that stand as text: as JSON, or as Python prints them (pandas writes so)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from curate.data.json_text import to_json
from curate.read.message_texts import python_literal

_BEGINS = ("[", "{")


def unfolded_value(value: Any) -> Any:
    """The list or object that a text holds; any other value as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in _BEGINS:
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = python_literal(value)
    return found if isinstance(found, list | dict) else value


def unfolded_rows(
    rows: Sequence[Mapping[str, Any]],
) -> tuple[list[dict[str, Any]], frozenset[str]]:
    """Rows with lists and objects in the place of their texts, and the columns that hold such."""
    found = [{name: unfolded_value(value) for name, value in row.items()} for row in rows]
    changed = {
        name
        for own, row in zip(found, rows, strict=True)
        for name, value in own.items()
        if value is not row[name]
    }
    return found, frozenset(changed)


def unfolded_texts(values: Sequence[Any]) -> list[str | None]:
    """Values, some of which stand as text, as JSON texts."""
    return [None if v is None else to_json(unfolded_value(v)) for v in values]
