"""Chat messages in the dialects of the field, brought to those of the pair table."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from curate.data.message_parts import (
    REASONING_KEYS,
    RESULTS_BREAK,
    THINK,
    THOUGHT,
    kept,
    parsed_object,
    whole,
)
from curate.data.table import MESSAGES, message, messages_series
from curate.read.anthropic_blocks import split_content_blocks

ROLES = {
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
"""Names of speakers in ShareGPT and its relatives; other names stay as they are."""
_CALLERS = ("function_call", "tool_call")
"""Speakers whose text is a tool call, or a list of them, as JSON."""

_ANSWERERS = ("assistant", "gpt", "chatgpt", "bot", "model")

ROLE_KEYS = ("role", "from")
_CONTENT_KEYS = ("content", "value")
_CALL_KEYS = ("tool_calls", "function_call")
_TRACE_ALONE = re.compile(rf"{THINK}\n(.*)\n{THOUGHT}\n\n\Z", re.DOTALL)
_USUAL_ROLES = frozenset(("system", "user", "assistant"))
# A message may be published as [role, text].
_ROLE_AND_TEXT = 2
_OWN = {"role", "content", "more"}
SAMPLE_TEXTS = 20
"""Texts of a column by which it is decided whether to look into all of them."""

Turn = dict[str, str | None]


def as_messages(value: Any, own: bool = False) -> tuple[list[Turn] | None, str | None]:
    """A message or list of messages as those of the pair table, or None and what is wrong.

    Args:
        value: a message, or a list of messages, each an object or its JSON text.
        own: the value comes from a pair table, whose messages are taken as they are.
    """
    listed = value if isinstance(value, list) else [value]
    out: list[Turn] = []
    before = ""
    for number, item in enumerate(listed, 1):
        # Nearly all messages: the checks below would take most of the time of reading.
        if _is_usual(item):
            out.append({"role": item["role"], "content": item["content"]})
            before = item["role"]
            continue
        found = parsed_object(item)
        if not isinstance(found, dict):
            return (
                None,
                f"holds {type(item).__name__} as message {number}; expected {{role, content}}",
            )
        if own and found.keys() == _OWN:
            out.append(found)
            continue
        turns, problem = _turns(found)
        if turns is None:
            return None, f"{problem} in message {number}"
        speaker = str(found.get("role", found.get("from")))
        # ms-swift writes each call as a message of its own; for a chat template they are one turn.
        if speaker in _CALLERS and before in (*_CALLERS, *_ANSWERERS) and _is_call(turns[0]):
            out[-1] = _joined(out[-1], turns[0])
        else:
            out.extend(turns)
        before = speaker
    return out, None


def is_message(value: Any) -> bool:
    """Whether a value is an object that names a speaker."""
    return isinstance(value, Mapping) and any(key in value for key in ROLE_KEYS)


def speaker_role(value: Any) -> str | None:
    """Who speaks in a published message, in the words of the pair table; None where nobody does."""
    if not is_message(value):
        return None
    role = next(value[key] for key in ROLE_KEYS if key in value)
    return ROLES.get(role, role) if isinstance(role, str) else None


def _is_usual(item: Any) -> bool:
    """Whether a message is a role and a text in the words of the pair table: nearly all are."""
    return (
        type(item) is dict
        and len(item) == _ROLE_AND_TEXT
        and type(item.get("content")) is str
        and type(item.get("role")) is str
        and item["role"] in _USUAL_ROLES
    )


def _is_call(turn: Turn) -> bool:
    return turn["more"] is not None and "tool_calls" in whole(turn)


def _joined(turn: Turn, call: Turn) -> Turn:
    """A call after an assistant's text or call, which ms-swift writes apart, as one message."""
    first, second = whole(turn), whole(call)
    calls = [*(first.get("tool_calls") or ()), *second["tool_calls"]]
    trace = _TRACE_ALONE.match(first.get("content") or "")
    if trace:
        first |= {"content": None, "reasoning_content": trace[1]}
    return kept({**second, **first, "tool_calls": calls})


def _turns(published: Mapping[str, Any]) -> tuple[list[Turn] | None, str]:
    """A message, and those that stand among the parts of its content, or None and what is wrong."""
    turns: list[Turn] = []
    for own in split_content_blocks(published):
        found, problem = _one(own)
        if found is None:
            return None, problem
        turns += found
    return turns, ""


def _one(published: Mapping[str, Any]) -> tuple[list[Turn] | None, str]:
    """One message as the pair table holds it, or None and what is wrong.

    It is a list, since LLaMA-Factory writes results of several calls as one observation.
    """
    role = next((published[k] for k in ROLE_KEYS if k in published), None)
    content = next((published[k] for k in _CONTENT_KEYS if k in published), None)
    if not isinstance(role, str):
        return None, f"has {type(role).__name__} as role (expected a text)"
    if not role.strip():
        return None, "has an empty role (expected user, assistant, ...)"
    keys = {*ROLE_KEYS, *_CONTENT_KEYS}
    # Keys without a value are those of other rows, which a columnar file gives to all.
    given = {k: _parsed(v) if k in _CALL_KEYS else v for k, v in published.items()}
    more = {k: _said(v) for k, v in given.items() if k not in keys and v is not None}
    content = _said(content)
    if role in _CALLERS and isinstance(content, str):
        return [kept({"role": ROLES[role], **_called(content), **more})], ""
    # LLaMA-Factory joins the results of several calls by a fixed text.
    if role == "observation" and isinstance(content, str) and not more:
        return [
            kept({"role": "tool", "content": part}) for part in content.split(RESULTS_BREAK)
        ], ""
    wrong = _wrong_content(content, more)
    if wrong:
        return None, wrong
    return [kept({"role": ROLES.get(role, role), "content": content, **more})], ""


def _parsed(calls: Any) -> Any:
    """Tool calls that stand as JSON text, as in files whose columns hold no nested values."""
    if not isinstance(calls, str):
        return calls
    try:
        found = json.loads(calls) if calls.strip() else None
    except (ValueError, RecursionError):
        return calls
    return found or None if isinstance(found, list | dict | None) else calls


def _said(value: Any) -> Any:
    """A value without keys that are null, which say nothing; calls' arguments stay as they are."""
    if isinstance(value, dict):
        return {k: v if k == "arguments" else _said(v) for k, v in value.items() if v is not None}
    return [_said(v) for v in value] if isinstance(value, list) else value


def _wrong_content(content: Any, more: Mapping[str, Any]) -> str | None:
    if isinstance(content, str):
        return None
    if isinstance(content, list) and content and all(isinstance(p, dict) for p in content):
        return None
    if content is None or content == []:
        if any(more.get(key) for key in (*_CALL_KEYS, *REASONING_KEYS)):
            return None
        return "has neither content nor tool calls nor reasoning"
    expected = "expected a text, a list of parts, or null beside tool calls"
    return f"has {type(content).__name__} as content ({expected})"


def _called(text: str) -> dict[str, Any]:
    """Content and tool calls of a text that is a call as JSON, perhaps after a trace.

    A text that is none stays the content.
    """
    # A trace may come before the call, in the same text.
    trace, mark, rest = text.rpartition(THOUGHT)
    calls = _calls(rest)
    if calls is None:
        return {"content": text}
    thought = trace.partition(THINK)[2].removeprefix("\n").removesuffix("\n") if mark else None
    return {"content": None, "reasoning_content": thought, "tool_calls": calls}


def _calls(text: str) -> list[dict[str, Any]] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    listed = found if isinstance(found, list) else [found]
    if not listed or not all(
        isinstance(c, dict) and isinstance(c.get("name"), str) for c in listed
    ):
        return None
    return [{"type": "function", "function": call} for call in listed]


MessageColumn = tuple[pl.Series, dict[int, str]]
"""A column of messages, and the errors of its rows."""


def normalise_message_column(column: pl.Series, own: bool = False) -> MessageColumn | None:
    """A struct or list column as messages with the errors of its rows; None if it holds none."""
    dtype = column.dtype
    inner = dtype.inner if isinstance(dtype, pl.List) else dtype
    if isinstance(inner, pl.Struct):
        names = {f.name for f in inner.fields}
        if not any(k in names for k in ROLE_KEYS):
            return None
        # Without a loop where it can be: most columns hold roles and texts alone.
        plain = _plain(column, inner, own)
        if plain is not None:
            return plain, {}
    elif not (isinstance(dtype, pl.List) and inner == pl.String and _holds_json(column)):
        return None
    return messages_from_values(
        column.name, [drop_null_fields(value) for value in column.to_list()], own
    )


def messages_from_values(name: str, values: Sequence[Any], own: bool = False) -> MessageColumn:
    """Messages that stand as Python values, and the errors of rows."""
    turns, errors = [], {}
    for row, value in enumerate(values):
        turn, problem = None, None
        # A column is of one kind: a text among conversations is told, and not bent.
        if isinstance(value, str) and parsed_object(value) is value:
            problem = "is a text, while most rows hold messages"
        elif value is not None:
            turn, problem = as_messages(value, own)
        turns.append(turn)
        if problem:
            errors[row] = f"'{name}' {problem}"
    return messages_series(name, turns), errors


def _holds_json(column: pl.Series) -> bool:
    """Whether the lists of texts are messages, each as its JSON text."""
    head = [text for texts in column.drop_nulls().head(SAMPLE_TEXTS) for text in texts]
    return bool(head) and all(isinstance(parsed_object(text), dict) for text in head)


def _plain(column: pl.Series, struct: pl.Struct, own: bool) -> pl.Series | None:
    """The messages where each is a role and a text, without a loop over rows; else None."""
    schema = struct.to_schema()
    role = next((k for k in ROLE_KEYS if k in schema), None)
    content = next((k for k in _CONTENT_KEYS if k in schema), None)
    if own and schema.keys() == _OWN and isinstance(column.dtype, pl.List):
        return column.cast(MESSAGES)
    if role is None or content is None or {schema[role], schema[content]} != {pl.String}:
        return None
    single = not isinstance(column.dtype, pl.List)
    said = (column if single else column.list.drop_nulls().explode(empty_as_null=False)).struct
    fields = {name: said.field(name) for name in schema}
    others = (f for name, f in fields.items() if name not in (role, content))
    # Other fields may be there and empty, as in files whose schema serves several sets.
    bare = all(f.null_count() == len(f) for f in others)
    spoken = not any(fields[k].null_count() for k in (role, content)) or single
    if not bare or not spoken or fields[role].is_in(_CALLERS).any():
        return None
    if (fields[role].str.strip_chars() == "").any():
        return None
    frame = column.alias("m").to_frame()
    if single:
        if frame.filter(pl.col("m").is_not_null())["m"].struct.field(content).null_count():
            return None
        frame = frame.select(
            pl.when(pl.col("m").is_not_null()).then(pl.concat_list("m")).alias("m")
        )
    speaker = pl.element().struct.field(role).replace(ROLES)
    turn = message(speaker, pl.element().struct.field(content))
    return frame.select(pl.col("m").list.eval(turn).cast(MESSAGES))["m"].alias(column.name)


def drop_null_fields(value: Any) -> Any:
    """A value of a columnar file without the fields that only other rows have.

    Bytes become a data URL, which JSON can hold.
    """
    if isinstance(value, dict):
        return {k: drop_null_fields(v) for k, v in value.items() if v is not None}
    if isinstance(value, bytes):
        return "data:application/octet-stream;base64," + base64.b64encode(value).decode()
    return [drop_null_fields(v) for v in value] if isinstance(value, list) else value
