"""Converts published chat messages to those of the pair table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from curate.data.messages import (
    REASONING_KEYS,
    RESULTS_BREAK,
    THINK_END,
    THINK_START,
    decode_message,
    encode_message,
    parse_json_object,
)
from curate.read.anthropic_blocks import split_content_blocks

_LOWER_CASE_ROLES = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "observation": "tool",
    "function": "tool",
    "tool_response": "tool",
}
ROLES = {
    name: role
    for key, role in {
        **_LOWER_CASE_ROLES,
        **{role: role for role in ("system", "user", "assistant", "tool")},
    }.items()
    for name in (key, key.capitalize(), key.upper())
}
"""Names of speakers in ShareGPT and its relatives; other names stay as they are."""
CALLERS = ("function_call", "tool_call")
"""Speakers whose text is a tool call, or a list of them, as JSON."""

_ANSWERERS = ("assistant", "gpt", "chatgpt", "bot", "model")

ROLE_KEYS = ("role", "from")
CONTENT_KEYS = ("content", "value")
EXCHANGES = (
    ("input", "output"), ("user", "assistant"), ("human", "assistant"), ("question", "answer"),
    ("prompt", "response"), ("instruction", "response"), ("instruction", "output"),
)  # fmt: skip
"""Keys of a question and its answer, in conversations that are lists of such exchanges."""
_CALL_KEYS = ("tool_calls", "function_call")
_REASONING_ONLY = re.compile(rf"{THINK_START}\n(.*)\n{THINK_END}\n\n\Z", re.DOTALL)
_USUAL_ROLES = frozenset(("system", "user", "assistant"))
# A message may be published as [role, text].
_ROLE_AND_TEXT = 2
PAIR_MESSAGE_FIELDS = {"role", "content", "more"}

Turn = dict[str, str | None]


def as_messages(
    value: object, is_pair_message: bool = False
) -> tuple[list[Turn] | None, str | None]:
    """Return a message or list of messages as those of the pair table, or None and what is wrong.

    Args:
        value: a message, or a list of messages, each an object or its JSON text.
        is_pair_message: the value comes from a pair table, whose messages stay as they are.
    """
    listed = value if isinstance(value, list) else [value]
    converted: list[Turn] = []
    previous_speaker = ""
    for number, item in enumerate(listed, 1):
        # Nearly all messages: the checks below would take most of the time of reading.
        if _is_role_and_text(item):
            converted.append({"role": item["role"], "content": item["content"]})
            previous_speaker = item["role"]
            continue
        message_object = parse_json_object(item)
        if not isinstance(message_object, dict):
            kind = type(item).__name__
            return None, f"holds {kind} as message {number}; expected {{role, content}}"
        if is_pair_message and message_object.keys() == PAIR_MESSAGE_FIELDS:
            converted.append(message_object)
            continue
        turns, problem = _convert_message(message_object)
        if turns is None:
            return None, f"{problem} in message {number}"
        speaker = str(message_object.get("role", message_object.get("from")))
        # ms-swift writes each call as a separate message; for a chat template they are one turn.
        if (
            speaker in CALLERS
            and previous_speaker in (*CALLERS, *_ANSWERERS)
            and _is_call_turn(turns[0])
        ):
            converted[-1] = _merge_call(converted[-1], turns[0])
        else:
            converted.extend(turns)
        previous_speaker = speaker
    return converted, None


def _exchange_turns(exchange: Mapping[str, object]) -> list[Turn] | None:
    """Return a question and its answer, if an object holds these in place of a speaker."""
    if any(key in exchange for key in ROLE_KEYS):
        return None
    for question_key, answer_key in EXCHANGES:
        texts = (exchange.get(question_key), exchange.get(answer_key))
        if all(isinstance(text, str) for text in texts):
            spoken = zip(("user", "assistant"), texts, strict=True)
            return [encode_message({"role": role, "content": text}) for role, text in spoken]
    return None


def is_message(value: object) -> bool:
    """Return whether a value is an object that names a speaker."""
    return isinstance(value, Mapping) and any(key in value for key in ROLE_KEYS)


def speaker_role(value: Any) -> str | None:
    """Return the role of a published message as the pair table names it; None if it has none."""
    if not is_message(value):
        return None
    role = next(value[key] for key in ROLE_KEYS if key in value)
    return ROLES.get(role, role) if isinstance(role, str) else None


def _is_role_and_text(item: object) -> bool:
    """Return whether a message is a usual role and a text, as nearly all are."""
    return (
        type(item) is dict
        and len(item) == _ROLE_AND_TEXT
        and type(item.get("content")) is str
        and type(item.get("role")) is str
        and item["role"] in _USUAL_ROLES
    )


def _is_call_turn(turn: Turn) -> bool:
    return turn["more"] is not None and "tool_calls" in decode_message(turn)


def _merge_call(turn: Turn, call: Turn) -> Turn:
    """Merge a call into the assistant's turn before it; ms-swift writes them separately."""
    turn_message, call_message = decode_message(turn), decode_message(call)
    calls = [*(turn_message.get("tool_calls") or ()), *call_message["tool_calls"]]
    trace = _REASONING_ONLY.match(turn_message.get("content") or "")
    if trace:
        turn_message |= {"content": None, "reasoning_content": trace[1]}
    # The earlier turn's fields win: it is the one that goes on.
    return encode_message({**call_message, **turn_message, "tool_calls": calls})


def _convert_message(published: Mapping[str, object]) -> tuple[list[Turn] | None, str]:
    """Return a message and those in its content's parts, or None and what is wrong."""
    turns: list[Turn] = []
    if exchange := _exchange_turns(published):
        return exchange, ""
    for block_message in split_content_blocks(published):
        converted, problem = _convert_single_message(block_message)
        if converted is None:
            return None, problem
        turns += converted
    return turns, ""


def _convert_single_message(published: Mapping[str, object]) -> tuple[list[Turn] | None, str]:
    """Return one message as the pair table holds it, or None and what is wrong.

    It is a list, since LLaMA-Factory writes results of several calls as one observation.
    """
    role = _first_value(published, ROLE_KEYS)
    if not isinstance(role, str):
        return None, f"has {type(role).__name__} as role (expected a text)"
    if not role.strip():
        return None, "has an empty role (expected user, assistant, ...)"
    content = _drop_nulls(_first_value(published, CONTENT_KEYS))
    other_fields = _other_fields(published)
    if isinstance(content, str):
        if role in CALLERS:
            message = {"role": ROLES[role], **_split_call_text(content), **other_fields}
            return [encode_message(message)], ""
        # LLaMA-Factory joins the results of several calls by a fixed text.
        if role == "observation" and not other_fields:
            results = content.split(RESULTS_BREAK)
            return [encode_message({"role": "tool", "content": text}) for text in results], ""
    content_problem = _wrong_content(content, other_fields)
    if content_problem:
        return None, content_problem
    return [encode_message({"role": ROLES.get(role, role), "content": content, **other_fields})], ""


def _first_value(published: Mapping[str, object], keys: Iterable[str]) -> object:
    """Return the value of the first of the keys that a message has."""
    return next((published[key] for key in keys if key in published), None)


def _other_fields(published: Mapping[str, object]) -> dict[str, object]:
    """Return what a message holds beside role and content, its calls parsed."""
    # Keys without a value are those of other rows, which a columnar file gives to all.
    values = {k: _parse_calls(v) if k in _CALL_KEYS else v for k, v in published.items()}
    placed = {*ROLE_KEYS, *CONTENT_KEYS}
    return {k: _drop_nulls(v) for k, v in values.items() if k not in placed and v is not None}


def _parse_calls(calls: object) -> object:
    """Parse tool calls that are JSON text, as in files without nested columns."""
    if not isinstance(calls, str):
        return calls
    try:
        parsed = json.loads(calls) if calls.strip() else None
    except (ValueError, RecursionError):
        return calls
    return parsed or None if isinstance(parsed, list | dict | None) else calls


def _drop_nulls(value: object) -> object:
    """Return a value without keys that are null; arguments of calls stay as they are."""
    # A null among a call's arguments was said by the model.
    if isinstance(value, dict):
        return {
            k: v if k == "arguments" else _drop_nulls(v) for k, v in value.items() if v is not None
        }
    return [_drop_nulls(v) for v in value] if isinstance(value, list) else value


def _wrong_content(content: object, other_fields: Mapping[str, object]) -> str | None:
    if isinstance(content, str):
        return None
    if isinstance(content, list) and content and all(isinstance(p, dict) for p in content):
        return None
    if content is None or content == []:
        if any(other_fields.get(key) for key in (*_CALL_KEYS, *REASONING_KEYS)):
            return None
        return "has neither content nor tool calls nor reasoning"
    expected = "expected a text, a list of parts, or null beside tool calls"
    return f"has {type(content).__name__} as content ({expected})"


def _split_call_text(text: str) -> dict[str, object]:
    """Return content and tool calls of a text that is a JSON call, perhaps after a reasoning trace.

    A text that is none stays the content.
    """
    # A trace may come before the call, in the same text.
    before_call, end_tag, call_text = text.rpartition(THINK_END)
    calls = _calls_from_json(call_text)
    if calls is None:
        return {"content": text}
    reasoning = (
        before_call.partition(THINK_START)[2].removeprefix("\n").removesuffix("\n")
        if end_tag
        else None
    )
    return {"content": None, "reasoning_content": reasoning, "tool_calls": calls}


def _calls_from_json(text: str) -> list[dict[str, object]] | None:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    listed = parsed if isinstance(parsed, list) else [parsed]
    if not listed or not all(
        isinstance(c, dict) and isinstance(c.get("name"), str) for c in listed
    ):
        return None
    return [{"type": "function", "function": call} for call in listed]
