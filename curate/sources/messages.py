"""Chat messages in the dialects of the field, brought to {role, content}."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.pairs import MESSAGES

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


def as_messages(value: Any) -> tuple[list[dict[str, str]] | None, str | None]:
    """A message or list of messages as {role, content} dicts, or None and what is wrong."""
    listed = [value] if isinstance(value, dict) else value
    out: list[dict[str, str]] = []
    for number, message in enumerate(listed, 1):
        if not isinstance(message, dict):
            kind = type(message).__name__
            return None, f"holds {kind} as message {number}; expected {{role, content}}"
        role = next((message[k] for k in _ROLE_KEYS if k in message), None)
        content = next((message[k] for k in _CONTENT_KEYS if k in message), None)
        if not isinstance(role, str) or not isinstance(content, str):
            kinds = f"role {type(role).__name__} and content {type(content).__name__}"
            return None, f"has {kinds} in message {number}; expected both as text"
        out.append({"role": ROLES.get(role, role), "content": content})
    return out, None


def has_other_keys(value: Any) -> bool:
    """Whether messages carry keys (names, tool calls...) that {role, content} cannot hold."""
    if not isinstance(value, list):
        return False
    known = {*_ROLE_KEYS, *_CONTENT_KEYS}
    return any(isinstance(m, dict) and not known.issuperset(m) for m in value)


def normalise_messages(column: pl.Series) -> pl.Series | None:
    """A struct or list-of-structs column as messages, or None if it has no role and content."""
    dtype = column.dtype
    if isinstance(dtype, pl.Struct):
        fields = {f.name for f in dtype.fields}
        single = True
    elif isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct):
        fields = {f.name for f in dtype.inner.fields}
        single = False
    else:
        return None
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
        content=pl.element().struct.field(content).cast(pl.String),
    )
    return frame.select(pl.col("m").list.eval(message).cast(MESSAGES))["m"].alias(column.name)
