"""Chat messages in the dialects of the field, brought to {role, content}."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from curate.data.table import MESSAGES

ROLES = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "observation": "tool",
    "function": "tool",
}
"""Names of speakers in ShareGPT and its relatives; other names stay as they are."""

_ROLE_KEYS = ("role", "from")
_CONTENT_KEYS = ("content", "value")
_PART_BREAK = "\n"
LOOKED_AT = 20
"""Texts of a column by which it is decided whether to look into all of them."""


def as_messages(value: Any) -> tuple[list[dict[str, str]] | None, str | None]:
    """A message or list of messages as {role, content} dicts, or None and what is wrong."""
    listed = [value] if isinstance(value, dict) else value
    out: list[dict[str, str]] = []
    for number, message in enumerate(listed, 1):
        if not isinstance(message, dict):
            kind = type(message).__name__
            return None, f"holds {kind} as message {number}; expected {{role, content}}"
        role = next((message[k] for k in _ROLE_KEYS if k in message), None)
        content = _text(next((message[k] for k in _CONTENT_KEYS if k in message), None))
        if not isinstance(role, str) or not isinstance(content, str):
            kinds = f"role {type(role).__name__} and content {type(content).__name__}"
            return None, f"has {kinds} in message {number}; expected both as text"
        out.append({"role": ROLES.get(role, role), "content": content})
    return out, None


def _text(content: Any) -> Any:
    """The texts of a content that is a list of parts ({type: text, text: ...}, images), joined."""
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        return content
    texts = [part.get("text") for part in content]
    return _PART_BREAK.join(text for text in texts if isinstance(text, str))


def messages_in_texts(values: Sequence[Any]) -> list[Any] | None:
    """Conversations that stand as JSON text, as the lists that they are; None for other columns.

    A column counts as such where more than half of its texts are lists of {role, content} objects:
    an answer that merely is JSON stays a text.
    """
    head = [v for v in values if v is not None][:LOOKED_AT]
    if not head or sum(_may_be_messages(v) for v in head) * 2 <= len(head):
        return None
    parsed = [_parsed(v) if _may_be_messages(v) else v for v in values]
    known = sum(v is not None for v in values)
    return parsed if sum(isinstance(v, list) for v in parsed) * 2 > known else None


def _may_be_messages(value: Any) -> bool:
    return (
        isinstance(value, str)
        and value.lstrip()[:1] == "["
        and any(f'"{key}"' in value for key in _ROLE_KEYS)
    )


def _parsed(text: str) -> Any:
    """The messages in a text, or the text where it holds none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    good = isinstance(found, list) and found and all(isinstance(m, dict) for m in found)
    keys = good and all(
        any(k in m for k in _ROLE_KEYS) and any(k in m for k in _CONTENT_KEYS) for m in found
    )
    return found if keys else text


def has_other_keys(value: Any) -> bool:
    """Whether messages carry more (names, tool calls, images...) than {role, content} can hold."""
    if not isinstance(value, list):
        return False
    known = {*_ROLE_KEYS, *_CONTENT_KEYS}
    return any(
        isinstance(m, dict)
        and (not known.issuperset(m) or any(isinstance(v, list) for v in m.values()))
        for m in value
    )


def normalise_messages(column: pl.Series) -> pl.Series | None:
    """A struct or list-of-structs column as messages, or None if it has no role and content."""
    dtype = column.dtype
    single = isinstance(dtype, pl.Struct)
    struct = dtype.inner if isinstance(dtype, pl.List) else dtype
    if not isinstance(struct, pl.Struct):
        return None
    fields = {f.name for f in struct.fields}
    role = next((k for k in _ROLE_KEYS if k in fields), None)
    content = next((k for k in _CONTENT_KEYS if k in fields), None)
    if role is None or content is None:
        return None
    frame = column.alias("m").to_frame()
    if single:
        frame = frame.select(
            pl.when(pl.col("m").is_not_null()).then(pl.concat_list("m")).alias("m")
        )
    message = pl.struct(
        role=pl.element().struct.field(role).cast(pl.String).replace(ROLES),
        content=_content(struct, content),
    )
    return frame.select(pl.col("m").list.eval(message).cast(MESSAGES))["m"].alias(column.name)


def unspoken(messages: pl.Series) -> pl.Series:
    """Rows in which a message lacks its role or its content, (rows,) bool."""
    lacks = pl.element().struct.field("role").is_null()
    lacks = lacks | pl.element().struct.field("content").is_null()
    return messages.list.eval(lacks).list.any().fill_null(False)


def with_more(value: Any) -> Any:
    """Messages of a columnar file without the fields that only other rows have; None where the pair
    table holds them whole.
    """
    pruned = _pruned(value)
    return pruned if has_other_keys(pruned) else None


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _pruned(v) for k, v in value.items() if v is not None}
    return [_pruned(v) for v in value] if isinstance(value, list) else value


def _content(struct: pl.Struct, name: str) -> pl.Expr:
    """The field of each message as text; of a list of parts the texts, joined."""
    value = pl.element().struct.field(name)
    dtype = struct.to_schema()[name]
    if not isinstance(dtype, pl.List) or not isinstance(dtype.inner, pl.Struct):
        return value.cast(pl.String)
    if "text" not in dtype.inner.to_schema():
        return value.cast(pl.String)
    texts = value.list.eval(pl.element().struct.field("text").drop_nulls())
    return texts.list.join(_PART_BREAK)
