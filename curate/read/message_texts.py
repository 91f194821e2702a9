"""Conversations that stand as text in a column: as JSON, or as Python writes a list."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Sequence
from typing import Any

from curate.read.messages import LOOKED_AT, ROLE_KEYS, as_messages, speaker_of

_QUOTED_ROLES = tuple(f"{mark}{key}{mark}" for key in ROLE_KEYS for mark in ("'", '"', '\\"'))
_BEGINS = ("[", "{", '"')
_SPEAKERS = ("system", "user", "assistant", "tool")
_NUMPY_BREAK = re.compile(r"\}[ ]*\n[ ]*\{")
"""Between the items of an array that numpy prints: there is no comma."""


def messages_in_texts(values: Sequence[Any]) -> list[Any] | None:
    """Conversations that stand as text, as the lists that they are; None for other columns.

    A column counts as such where more than half of its texts are lists of messages: an answer that
    merely is JSON stays a text.
    """
    head = [v for v in values if v is not None][:LOOKED_AT]
    if not head or sum(_may_be_messages(v) for v in head) * 2 <= len(head):
        return None
    parsed = [unfolded(v) for v in values]
    known = sum(v is not None for v in values)
    return parsed if sum(isinstance(v, list) for v in parsed) * 2 > known else None


def _may_be_messages(value: Any) -> bool:
    """Whether a text may hold a list of messages, a message, or the text of such JSON once more."""
    if not isinstance(value, str) or value.lstrip()[:1] not in _BEGINS:
        return False
    return any(key in value for key in _QUOTED_ROLES)


def unfolded(value: Any) -> Any:
    """The messages in a text; any other value as it is."""
    return (parsed_messages(value) or value) if _may_be_messages(value) else value


def parsed_messages(text: str) -> list[Any] | None:
    """The messages that a text holds, as published; None where it holds none."""
    try:
        found = json.loads(text)
        if isinstance(found, str):  # encoded twice
            found = json.loads(found) if _may_be_messages(found) else None
    except (ValueError, RecursionError):
        found = python_literal(text)
    if isinstance(found, dict):
        # An answer may be an object that has a role and is no message.
        found = [found] if speaker_of(found) in _SPEAKERS else None
    good = isinstance(found, list) and found and all(isinstance(m, dict) for m in found)
    return found if good and as_messages(found)[0] is not None else None


def python_literal(text: str) -> Any:
    """A list as Python prints it, which is what pandas writes into a CSV; None for other texts."""
    # Within a printed text a line end is escaped, so a bare one stands between items.
    joined = _NUMPY_BREAK.sub("}, {", text.strip())
    try:
        with warnings.catch_warnings():  # of escapes such as "\\d" in the user's texts
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            return ast.literal_eval(joined)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
