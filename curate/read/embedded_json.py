"""Messages, lists and objects that a column stores as text: JSON, or what Python prints."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from curate.data.json_text import to_json
from curate.read.message_columns import SAMPLE_TEXTS
from curate.read.messages import ROLE_KEYS, as_messages, speaker_role

_QUOTED_ROLES = tuple(f"{mark}{key}{mark}" for key in ROLE_KEYS for mark in ("'", '"', '\\"'))
_MESSAGE_STARTS = ("[", "{", '"')
_NESTED_STARTS = ("[", "{")
_SPEAKERS = ("system", "user", "assistant", "tool")
_NUMPY_BREAK = re.compile(r"\}[ ]*\n[ ]*\{")
"""Between the items of an array that numpy prints: there is no comma."""


def parse_message_column(values: Sequence[object]) -> list[object] | None:
    """Return conversations that are stored as text as lists; None for other columns.

    A column counts as such where more than half of its texts are lists of messages: an answer that
    merely is JSON stays a text.
    """
    head = [v for v in values if v is not None][:SAMPLE_TEXTS]
    if not head or sum(_may_be_messages(v) for v in head) * 2 <= len(head):
        return None
    parsed = [parse_embedded_messages(v) for v in values]
    not_null_count = sum(v is not None for v in values)
    return parsed if sum(isinstance(v, list) for v in parsed) * 2 > not_null_count else None


def _may_be_messages(value: object) -> bool:
    """Return whether a text may hold messages, a message, or JSON that was encoded twice."""
    if not isinstance(value, str) or value.lstrip()[:1] not in _MESSAGE_STARTS:
        return False
    # Cheap, which parsing every text that begins with a bracket would not be.
    return any(key in value for key in _QUOTED_ROLES)


def parse_embedded_messages(value: Any) -> object:
    """Return the messages in a text; any other value as it is."""
    return (parse_messages(value) or value) if _may_be_messages(value) else value


def parse_messages(text: str) -> list[object] | None:
    """Return the messages that a text holds, as published; None where it holds none."""
    try:
        parsed = json.loads(text)
        if isinstance(parsed, str):  # encoded twice
            parsed = json.loads(parsed) if _may_be_messages(parsed) else None
    except (ValueError, RecursionError):
        parsed = parse_python_literal(text)
    if isinstance(parsed, dict):
        # An answer may be an object that has a role and is no message.
        parsed = [parsed] if speaker_role(parsed) in _SPEAKERS else None
    is_message_list = (
        isinstance(parsed, list) and parsed and all(isinstance(m, dict) for m in parsed)
    )
    return parsed if is_message_list and as_messages(parsed)[0] is not None else None


def parse_python_literal(text: str) -> object:
    """Parse a list as Python prints it, which pandas writes to CSV; None for other texts."""
    # A printed text escapes its line ends, so an unescaped one is between items.
    joined = _NUMPY_BREAK.sub("}, {", text.strip())
    try:
        with warnings.catch_warnings():  # of escapes such as "\\d" in the user's texts
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            # Literals alone: nothing in the data is executed.
            return ast.literal_eval(joined)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def parse_embedded_json(value: object) -> object:
    """Return the list or object that a text holds; any other value as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in _NESTED_STARTS:
        return value
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        parsed = parse_python_literal(value)
    return parsed if isinstance(parsed, list | dict) else value


def parse_embedded_json_in_rows(
    rows: Sequence[Mapping[str, object]],
) -> tuple[list[dict[str, object]], frozenset[str]]:
    """Return rows with JSON texts parsed, and the columns that hold such texts."""
    parsed_rows = [
        {name: parse_embedded_json(value) for name, value in row.items()} for row in rows
    ]
    changed = {
        name
        for parsed_row, row in zip(parsed_rows, rows, strict=True)
        for name, value in parsed_row.items()
        if value is not row[name]
    }
    return parsed_rows, frozenset(changed)


def embedded_json_as_text(values: Sequence[object]) -> list[str | None]:
    """Return values as JSON texts; some may be JSON texts already."""
    return [None if v is None else to_json(parse_embedded_json(v)) for v in values]
