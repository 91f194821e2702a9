"""Tool calls, results and refusals that stand among the parts of a content, as Anthropic's do.

No template of a trainer knows these parts: they become the calls and messages of the pair table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curate.data.json_text import to_json

_CALLS = ("tool_use", "server_tool_use")
_RESULT_ENDING = "tool_result"
_REFUSAL = "refusal"


def split_content_blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A message {role, content, ...} without such parts; each result is a message of its own.

    A part that is not as the API writes it stays as it is.
    """
    content = message.get("content")
    if content is None and isinstance(message.get(_REFUSAL), str):
        # What the model said in the place of an answer.
        return [
            {k: v for k, v in message.items() if k != _REFUSAL} | {"content": message[_REFUSAL]}
        ]
    if not isinstance(content, list) or not any(_is_block(part) for part in content):
        return [dict(message)]
    results = [_result(part) for part in content if _is_result(part)]
    calls = [_call(part) for part in content if _is_call(part)]
    rest = [_text(part) for part in content if not _is_result(part) and not _is_call(part)]
    if results and not calls and not rest:
        return results
    # One text is what other APIs write; parts of several stay parts.
    alone = len(rest) == 1 and _is_text(rest[0])
    own = {**message, "content": rest[0]["text"] if alone else rest or None}
    if calls:
        own["tool_calls"] = [*(message.get("tool_calls") or ()), *calls]
    # A user's turn gives results first; a model's gives those of calls that its server made.
    return [own, *results] if calls else [*results, own]


def _is_block(part: Any) -> bool:
    return _is_call(part) or _is_result(part) or _is_refusal(part)


def _is_call(part: Any) -> bool:
    return (
        isinstance(part, Mapping)
        and part.get("type") in _CALLS
        and isinstance(part.get("name"), str)
    )


def _is_result(part: Any) -> bool:
    return isinstance(part, Mapping) and str(part.get("type")).endswith(_RESULT_ENDING)


def _is_refusal(part: Any) -> bool:
    return (
        isinstance(part, Mapping)
        and part.get("type") == _REFUSAL
        and isinstance(part.get(_REFUSAL), str)
    )


def _is_text(part: Any) -> bool:
    return isinstance(part, Mapping) and part.keys() == {"type", "text"}


def _are_parts(content: Any) -> bool:
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(part, Mapping) and "type" in part for part in content)
    )


def _call(part: Mapping[str, Any]) -> dict[str, Any]:
    """A call in OpenAI's form."""
    own = {"id": part["id"]} if part.get("id") else {}
    function = {"name": part["name"], "arguments": to_json(part.get("input") or {})}
    return {**own, "type": "function", "function": function}


def _result(part: Mapping[str, Any]) -> dict[str, Any]:
    """A result as a message of the tool."""
    content = part.get("content")
    if isinstance(content, list) and len(content) == 1 and _is_text(content[0]):
        content = content[0]["text"]
    elif not isinstance(content, str) and not _are_parts(content):
        content = "" if content is None else to_json(content)
    own = {"tool_call_id": part["tool_use_id"]} if part.get("tool_use_id") else {}
    more = {"is_error": True} if part.get("is_error") else {}
    return {"role": "tool", "content": content, **own, **more}


def _text(part: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "text", "text": part[_REFUSAL]} if _is_refusal(part) else part
