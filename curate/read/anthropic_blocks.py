"""Tool calls, results and refusals among the parts of a content, as in Anthropic's messages.

No trainer's template knows these parts: they become the calls and messages of the pair table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from curate.data.json_text import to_json

_CALLS = ("tool_use", "server_tool_use")
_RESULT_ENDING = "tool_result"
_REFUSAL = "refusal"


def split_content_blocks(message: Mapping[str, object]) -> list[dict[str, object]]:
    """Return a message {role, content, ...} without such parts; each result is its own message.

    A part that is not as the API writes it stays as it is.
    """
    content = message.get("content")
    if content is None and isinstance(message.get(_REFUSAL), str):
        return [_refusal_as_content(message)]
    if not _holds_blocks(content):
        return [dict(message)]
    results = [_tool_message(part) for part in content if _is_result_block(part)]
    calls = [_openai_call(part) for part in content if _is_call_block(part)]
    other_parts = [_as_text_part(part) for part in content if not _is_moved(part)]
    if results and not calls and not other_parts:
        return results
    turn = {**message, "content": _as_content(other_parts)}
    # A user's turn gives results first; a model's gives those of calls that its server made.
    if not calls:
        return [*results, turn]
    earlier_calls: Any = message.get("tool_calls") or ()
    return [turn | {"tool_calls": [*earlier_calls, *calls]}, *results]


def _refusal_as_content(message: Mapping[str, object]) -> dict[str, object]:
    """Return a message with its refusal, which models give instead of an answer, as content."""
    fields = {key: value for key, value in message.items() if key != _REFUSAL}
    return fields | {"content": message[_REFUSAL]}


def _as_content(parts: list[object]) -> object:
    """Return the content that other APIs write: a text for one text part, None for no part."""
    if len(parts) == 1 and _is_text_part(parts[0]):
        # A list of one text is the text: templates for plain chats know no parts.
        return parts[0]["text"]
    return parts or None


def _holds_blocks(content: object) -> TypeGuard[list[object]]:
    """Return whether some parts of a content are such blocks."""
    return isinstance(content, list) and any(_is_moved(p) or _is_refusal(p) for p in content)


def _is_call_block(part: object) -> TypeGuard[Mapping[str, object]]:
    return (
        isinstance(part, Mapping)
        and part.get("type") in _CALLS
        and isinstance(part.get("name"), str)
    )


def _is_result_block(part: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(part, Mapping) and str(part.get("type")).endswith(_RESULT_ENDING)


def _is_moved(part: object) -> bool:
    return _is_result_block(part) or _is_call_block(part)


def _is_refusal(part: object) -> TypeGuard[Mapping[str, object]]:
    return (
        isinstance(part, Mapping)
        and part.get("type") == _REFUSAL
        and isinstance(part.get(_REFUSAL), str)
    )


def _is_text_part(part: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(part, Mapping) and part.keys() == {"type", "text"}


def _are_parts(content: object) -> bool:
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(part, Mapping) and "type" in part for part in content)
    )


def _openai_call(part: Mapping[str, object]) -> dict[str, object]:
    """Return a call in OpenAI's form."""
    call_id = {"id": part["id"]} if part.get("id") else {}
    function = {"name": part["name"], "arguments": to_json(part.get("input") or {})}
    return {**call_id, "type": "function", "function": function}


def _tool_message(part: Mapping[str, object]) -> dict[str, object]:
    """Return a result as a message of the tool."""
    content = part.get("content")
    if isinstance(content, list) and len(content) == 1 and _is_text_part(content[0]):
        content = content[0]["text"]
    elif not isinstance(content, str) and not _are_parts(content):
        content = "" if content is None else to_json(content)
    call_id = {"tool_call_id": part["tool_use_id"]} if part.get("tool_use_id") else {}
    error_flag = {"is_error": True} if part.get("is_error") else {}
    return {"role": "tool", "content": content, **call_id, **error_flag}


def _as_text_part(part: object) -> object:
    return {"type": "text", "text": part[_REFUSAL]} if _is_refusal(part) else part
