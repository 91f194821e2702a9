"""What a message says besides its text: how the pair table keeps it, and what text scorers see.

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
BESIDE_CALLS = "text beside tool calls"
MESSAGE_PARTS = (
    *(TOOL_CALLS, BESIDE_CALLS, CALL_IDS, NAMES, REASONING),
    *(TEXTS, IMAGES, VIDEOS, AUDIOS, FILES),
    *(OTHER_PARTS, OTHER_KEYS),
)
"""What a message may hold besides role and text, as the user is told."""

REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
THINK, THOUGHT = "<think>", "</think>"
RESULTS_BREAK = "\n</tool_response>\n<tool_response>\n"
"""What LLaMA-Factory puts between the results of calls that were made at once."""
MARKS = {IMAGES: "<image>", VIDEOS: "<video>", AUDIOS: "<audio>", FILES: "<file>"}
"""What stands for a medium in a text."""
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


def part_kind(part: Mapping[str, Any]) -> str:
    """The kind of a content part, of `MESSAGE_PARTS`."""
    kind = part.get("type")
    if kind is None and isinstance(part.get("text"), str):
        return TEXTS
    if kind in _THOUGHTS:
        return REASONING
    return _KINDS.get(str(kind), OTHER_PARTS)


def tool_calls(message: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Name and arguments of each call, of OpenAI's `tool_calls` and its older `function_call`.

    Arguments that are the JSON text of an object are that object; others are as published.
    """
    calls = message.get("tool_calls")
    listed = [*calls] if isinstance(calls, list) else [calls] if calls else []
    if message.get("function_call"):
        listed.append(message["function_call"])
    found = []
    for call in listed:
        function = call.get("function", call) if isinstance(call, Mapping) else {"name": call}
        function = function if isinstance(function, Mapping) else {"name": function}
        arguments = function.get("arguments", function.get("parameters"))
        found.append((str(function.get("name", "")), parsed_object(arguments)))
    return found


def parsed_object(value: Any) -> Any:
    """The object that a JSON text holds; any other value as it is."""
    if isinstance(value, str):
        try:
            found = orjson.loads(value)
        except ValueError:
            return value
        return found if isinstance(found, dict) else value
    return value


def reasoning(message: Mapping[str, Any]) -> str:
    """The trace that stands beside the content, empty where there is none."""
    for key in REASONING_KEYS:
        if isinstance(message.get(key), str):
            return str(message[key])
    parts = message.get("content")
    listed = parts if isinstance(parts, list) else []
    traces = (p.get(_THOUGHTS[p["type"]]) for p in listed if p.get("type") in _THOUGHTS)
    return _BREAK.join(t for t in traces if isinstance(t, str))


def text_of(message: Mapping[str, Any], joint: str = _BREAK) -> str:
    """The content as text: parts joined, a mark for each medium, `<type>` for an unknown part."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    texts = []
    for part in content if isinstance(content, list) else ():
        kind = part_kind(part)
        if kind == TEXTS:
            texts.append(part["text"] if isinstance(part.get("text"), str) else "")
        elif kind != REASONING:
            texts.append(MARKS.get(kind) or f"<{part.get('type', 'part')}>")
    return joint.join(texts)


def rendering(message: Mapping[str, Any]) -> str:
    """What text scorers see of a message: its trace, its text, and its tool calls.

    `<think>` lines, then the text, then one `<tool_call>` with name and arguments as JSON for each
    call: the spelling of Hermes and Qwen, so that sets that hold such texts look alike.
    """
    trace, text = reasoning(message), text_of(message)
    calls = [call_text(name, arguments) for name, arguments in tool_calls(message)]
    said = _BREAK.join(part for part in (text, *calls) if part)
    return said if holds_trace(text, trace) else with_trace(trace, said)


def holds_trace(text: str, trace: str) -> bool:
    """Whether a text says the trace already, as one of blanks alone needs no saying.

    Some servers write the trace beside the text and into it.
    """
    trace = trace.strip()
    return not trace or (split_trace(text)[0] or "").strip() == trace


def with_trace(trace: str, text: str) -> str:
    """A trace and what follows it as one text."""
    return f"{THINK}\n{trace}\n{THOUGHT}\n\n{text}"


def split_trace(text: str) -> tuple[str | None, bool, str]:
    """The trace in a text (None where there is none), whether it ends, and what follows it.

    A text that merely ends a trace was opened by the model's template.
    """
    before, mark, rest = text.partition(THOUGHT)
    opened = THINK in before
    if not opened and not mark:
        return None, False, text
    return before.partition(THINK)[2] if opened else before, bool(mark), rest


def call_text(name: str, arguments: Any) -> str:
    """One tool call as Hermes and Qwen write it."""
    return f"<tool_call>\n{call_json(name, arguments)}\n</tool_call>"


def call_json(name: str, arguments: Any) -> str:
    """Name and arguments of a call as one JSON object."""
    return to_json({"name": name, "arguments": arguments})


def is_plain(message: Mapping[str, Any]) -> bool:
    """Whether a message is its role and a text; keys whose value is null say nothing."""
    return isinstance(message.get("content"), str) and all(
        value is None for key, value in message.items() if key not in ("role", "content")
    )


def kept(message: Mapping[str, Any]) -> dict[str, str | None]:
    """A published message {role, content, ...} as the pair table holds it."""
    role, content = message["role"], message.get("content")
    if is_plain(message):
        return {"role": role, "content": content, "more": None}
    # In one order, whatever the file's: else JSON lines and Parquet would give different ids.
    names = sorted(message.keys() - {"role", "content"})
    rest = {name: message[name] for name in names if message[name] is not None}
    return {
        "role": role,
        "content": rendering(message),
        "more": to_json({"content": content, **rest}),
    }


def whole(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message of the pair table as it was published."""
    more = message.get("more")
    if more is None:
        return {"role": message["role"], "content": message["content"]}
    return {"role": message["role"], **orjson.loads(more)}


def parts_of(message: Mapping[str, Any]) -> Iterator[str]:
    """Which of `MESSAGE_PARTS` a published message holds, each once."""
    found = dict.fromkeys(_found(message))
    yield from (part for part in MESSAGE_PARTS if part in found)


def _found(message: Mapping[str, Any]) -> Iterator[str]:
    for key, value in message.items():
        if key in ("role", "content") or value is None:
            continue
        if key in _CALLS:
            yield TOOL_CALLS
            if text_of(message):
                yield BESIDE_CALLS
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
        yield from (part_kind(part) for part in content)
