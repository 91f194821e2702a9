"""Columns whose values are objects around a conversation: `{"messages": [...], "tools": [...]}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from curate.data.attachments import TOOLS
from curate.read.embedded_json import parse_embedded_json
from curate.read.message_columns import SAMPLE_TEXTS
from curate.read.messages import is_message
from curate.read.sources.attachment_columns import REJECTED_TOOLS

_CONVERSATION_KEYS = ("messages", "conversations", "conversation")


def conversation_object_columns(columns: Mapping[str, Sequence[object]]) -> list[str]:
    """Return the names of columns most of whose first values are objects around a conversation.

    Args:
        columns: the first values of each text column, by its name.
    """
    return [name for name, values in columns.items() if _are_conversation_objects(values)]


def unwrap_conversations(
    rows: Sequence[dict[str, object]], names: Sequence[str]
) -> list[dict[str, object]]:
    """Return the rows with the messages of such objects in place of the objects.

    Tools of the objects become those of the row, if it has none itself. Other fields are kept in a
    column `<name>_object`, which goes to `extra`.
    """
    return [_unwrap_row(row, names) for row in rows]


def _are_conversation_objects(values: Sequence[object]) -> bool:
    head = [value for value in values if value is not None][:SAMPLE_TEXTS]
    return sum(_conversation_key(_parse(value)) is not None for value in head) * 2 > len(head)


def _parse(value: Any) -> Any:
    # Nearly all texts begin with a letter: only those that may be objects are parsed.
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        return None
    return parse_embedded_json(value)


def _conversation_key(value: Any) -> str | None:
    """Return the key under which an object holds a list of messages; None for other values."""
    if not isinstance(value, Mapping) or is_message(value):
        return None
    for key in _CONVERSATION_KEYS:
        listed = value.get(key)
        if isinstance(listed, list) and listed and all(map(is_message, listed)):
            return key
    return None


def _unwrap_row(row: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    unwrapped, tools = dict(row), []
    for name in names:
        conversation = _parse(row.get(name))
        key = _conversation_key(conversation)
        if key is None:
            continue
        unwrapped[name] = conversation[key]
        if conversation.get(TOOLS):
            tools.append(conversation[TOOLS])
        remaining_fields = {
            k: v for k, v in conversation.items() if k not in (key, TOOLS) and v is not None
        }
        if remaining_fields:
            unwrapped[f"{name}_object"] = remaining_fields
    if tools and row.get(TOOLS) is None:
        unwrapped[TOOLS] = tools[0]
        # The pair table has one list of tools for both answers; another one is an error of the row.
        if tools[-1] != tools[0]:
            unwrapped[REJECTED_TOOLS] = tools[-1]
    return unwrapped
