"""Encodes and decodes messages: the pair table's form, and the text that scorers see.

A message of the pair table has a role, a `content` and `more`. `more` is null for a plain message.
Else it is the JSON text of all that was published but the role, and `content` is the rendering.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from curate.data.json_text import to_json

TEXTS, IMAGES, VIDEOS, AUDIOS, FILES = (
    f"{m} parts" for m in ("text", "image", "video", "audio", "file")
)
OTHER_PARTS, OTHER_KEYS = "content parts of another type", "other message keys"
TOOL_CALLS, CALL_IDS, NAMES, REASONING = "tool calls", "tool call ids", "names", "reasoning"
TEXT_BESIDE_CALLS = "text beside tool calls"
MESSAGE_CONTENT_KINDS = (
    *(TOOL_CALLS, TEXT_BESIDE_CALLS, CALL_IDS, NAMES, REASONING),
    *(TEXTS, IMAGES, VIDEOS, AUDIOS, FILES),
    *(OTHER_PARTS, OTHER_KEYS),
)
"""Kinds of content of a message besides role and text, as reports name them."""

REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
THINK_START, THINK_END = "<think>", "</think>"
RESULTS_BREAK = "\n</tool_response>\n<tool_response>\n"
"""What LLaMA-Factory puts between the results of calls that were made at once."""
PLACEHOLDERS = {IMAGES: "<image>", VIDEOS: "<video>", AUDIOS: "<audio>", FILES: "<file>"}
"""Placeholder of a medium in a text."""
_KINDS = {
    "text": TEXTS,
    "input_text": TEXTS,
    "output_text": TEXTS,
    "image": IMAGES,
    "image_url": IMAGES,
    "input_image": IMAGES,
    "video": VIDEOS,
    "video_url": VIDEOS,
    "audio": AUDIOS,
    "audio_url": AUDIOS,
    "input_audio": AUDIOS,
    "file": FILES,
    "input_file": FILES,
}
_THOUGHTS = {"thinking": "thinking", "reasoning": "text"}
"""Types of parts that hold a trace, and the key of its text."""
_CALLS = ("tool_calls", "function_call")
_BREAK = "\n"


def content_part_kind(part: Mapping[str, Any]) -> str:
    """Return the kind of a content part, one of `MESSAGE_CONTENT_KINDS`."""
    kind = part.get("type")
    if kind is None and isinstance(part.get("text"), str):
        return TEXTS
    if kind in _THOUGHTS:
        return REASONING
    return _KINDS.get(str(kind), OTHER_PARTS)


def message_tool_calls(message: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return name and arguments of each call in `tool_calls` or the older `function_call`.

    Arguments that are the JSON text of an object are that object; others are as published.
    """
    calls = message.get("tool_calls")
    listed = [*calls] if isinstance(calls, list) else [calls] if calls else []
    if message.get("function_call"):
        listed.append(message["function_call"])
    parsed_calls = []
    for call in listed:
        function = call.get("function", call) if isinstance(call, Mapping) else {"name": call}
        function = function if isinstance(function, Mapping) else {"name": function}
        arguments = function.get("arguments", function.get("parameters"))
        parsed_calls.append((str(function.get("name", "")), parse_json_object(arguments)))
    return parsed_calls


def parse_json_object(value: Any) -> Any:
    """Return the object of a JSON text; other values unchanged."""
    if isinstance(value, str):
        try:
            parsed = orjson.loads(value)
        except ValueError:
            return value
        return parsed if isinstance(parsed, dict) else value
    return value


def reasoning_trace(message: Mapping[str, Any]) -> str:
    """Return the reasoning trace beside the content, empty if there is none."""
    for key in REASONING_KEYS:
        if isinstance(message.get(key), str):
            return str(message[key])
    parts = message.get("content")
    listed = parts if isinstance(parts, list) else []
    traces = (p.get(_THOUGHTS[p["type"]]) for p in listed if p.get("type") in _THOUGHTS)
    return _BREAK.join(t for t in traces if isinstance(t, str))


def content_text(message: Mapping[str, Any], joint: str = _BREAK) -> str:
    """Return the content as text, with a placeholder per medium and `<type>` for other parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    texts = []
    for part in content if isinstance(content, list) else ():
        kind = content_part_kind(part)
        if kind == TEXTS:
            texts.append(part["text"] if isinstance(part.get("text"), str) else "")
        elif kind != REASONING:
            texts.append(PLACEHOLDERS.get(kind) or f"<{part.get('type', 'part')}>")
    return joint.join(texts)


def render_message(message: Mapping[str, Any]) -> str:
    """Return the text that scorers see: the message's trace, text and tool calls.

    `<think>` lines, then the text, then one `<tool_call>` with name and arguments as JSON for each
    call: the spelling of Hermes and Qwen, so that sets that hold such texts look alike.
    """
    trace, text = reasoning_trace(message), content_text(message)
    calls = [format_tool_call(name, arguments) for name, arguments in message_tool_calls(message)]
    text_and_calls = _BREAK.join(part for part in (text, *calls) if part)
    return text_and_calls if contains_trace(text, trace) else prepend_trace(trace, text_and_calls)


def contains_trace(text: str, trace: str) -> bool:
    """Return whether a text contains the trace already; an empty trace counts as contained.

    Some servers write the trace beside the text and into it.
    """
    trace = trace.strip()
    return not trace or (split_trace(text)[0] or "").strip() == trace


def prepend_trace(trace: str, text: str) -> str:
    """Return a text that begins with the trace."""
    return f"{THINK_START}\n{trace}\n{THINK_END}\n\n{text}"


def split_trace(text: str) -> tuple[str | None, bool, str]:
    """Return the trace in a text (None without one), whether it ends, and the text after it.

    A text that merely ends a trace was opened by the model's template.
    """
    before, mark, answer = text.partition(THINK_END)
    opened = THINK_START in before
    if not opened and not mark:
        return None, False, text
    return before.partition(THINK_START)[2] if opened else before, bool(mark), answer


def format_tool_call(name: str, arguments: Any) -> str:
    """Return one tool call as Hermes and Qwen write it."""
    return f"<tool_call>\n{tool_call_json(name, arguments)}\n</tool_call>"


def tool_call_json(name: str, arguments: Any) -> str:
    """Return name and arguments of a call as one JSON object."""
    return to_json({"name": name, "arguments": arguments})


def is_plain_message(message: Mapping[str, Any]) -> bool:
    """Return whether a message is only a role and a text; keys with null values are ignored."""
    return isinstance(message.get("content"), str) and all(
        value is None for key, value in message.items() if key not in ("role", "content")
    )


def encode_message(message: Mapping[str, Any]) -> dict[str, str | None]:
    """Encode a published message {role, content, ...} for the pair table."""
    role, content = message["role"], message.get("content")
    if is_plain_message(message):
        return {"role": role, "content": content, "more": None}
    # In one order, whatever the file's: else JSON lines and Parquet would give different ids.
    names = sorted(message.keys() - {"role", "content"})
    other_fields = {name: message[name] for name in names if message[name] is not None}
    return {
        "role": role,
        "content": render_message(message),
        "more": to_json({"content": content, **other_fields}),
    }


def decode_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Decode a message of the pair table to its published form."""
    more = message.get("more")
    if more is None:
        return {"role": message["role"], "content": message["content"]}
    return {"role": message["role"], **orjson.loads(more)}


def content_kinds(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield the kinds of content (`MESSAGE_CONTENT_KINDS`) in a published message, each once."""
    kinds = dict.fromkeys(_iter_content_kinds(message))
    yield from (part for part in MESSAGE_CONTENT_KINDS if part in kinds)


def _iter_content_kinds(message: Mapping[str, Any]) -> Iterator[str]:
    for key, value in message.items():
        if key in ("role", "content") or value is None:
            continue
        if key in _CALLS:
            yield TOOL_CALLS
            if content_text(message):
                yield TEXT_BESIDE_CALLS
            if any(isinstance(c, Mapping) and c.get("id") for c in value):
                yield CALL_IDS
        elif key == "tool_call_id":
            yield CALL_IDS
        elif key in REASONING_KEYS:
            yield REASONING
        else:
            yield NAMES if key == "name" else OTHER_KEYS
    content = message.get("content")
    if isinstance(content, list):
        yield from (content_part_kind(part) for part in content)
