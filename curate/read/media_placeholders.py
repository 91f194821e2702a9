"""Turns placeholders such as `<image>` in texts into parts of the content."""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from curate.data.content_kinds import TURNS
from curate.data.messages import (
    AUDIOS,
    IMAGES,
    PLACEHOLDERS,
    VIDEOS,
    content_part_kind,
    decode_message,
    encode_message,
)
from curate.data.table import messages_series

_PLACEHOLDERS = {
    "images": (PLACEHOLDERS[IMAGES], "image"),
    "videos": (PLACEHOLDERS[VIDEOS], "video"),
    "audios": (PLACEHOLDERS[AUDIOS], "audio"),
}
"""The mark of each column of media, and the type of the part that it becomes."""


def expand_media_placeholders(pairs: pl.DataFrame) -> pl.DataFrame:
    """Replace the placeholders of prompts by parts if there are as many as the row has media.

    LLaMA-Factory and ms-swift write marks, TRL writes parts. A mark without a medium stays the text
    that it is, and so does every mark of a row whose numbers differ.
    """
    media_columns = [c for c in _PLACEHOLDERS if pairs[c].null_count() < len(pairs)]
    if not media_columns:
        return pairs
    has_media = pl.any_horizontal(pl.col(media_columns).is_not_null())
    rows = pairs.with_row_index("_at").filter(has_media).select("_at", *TURNS, *media_columns)
    prompts = pairs["prompt"].to_list() if len(rows) else []
    changed = False
    for row in rows.iter_rows(named=True):
        turns = _prompt_with_parts(row, media_columns)
        if turns is not None:
            prompts[row["_at"]], changed = turns, True
    return pairs.with_columns(prompt=messages_series("prompt", prompts)) if changed else pairs


def _prompt_with_parts(
    row: dict[str, Any], media_columns: list[str]
) -> list[dict[str, object]] | None:
    """Return the prompt with parts, or None where it stays as it is."""
    published = {side: [decode_message(m) for m in row[side] or ()] for side in TURNS}
    part_types: dict[str, str] = {}
    for column in media_columns:
        placeholder, kind = _PLACEHOLDERS[column]
        if row[column] is None:
            continue
        messages = [m for turns in published.values() for m in turns]
        if (
            any(_has_part(m, kind) for m in messages)
            or _count_placeholders(messages, placeholder) == 0
        ):
            continue
        if _count_placeholders(published["prompt"], placeholder) != len(row[column]):
            return None
        part_types[placeholder] = kind
    if not part_types:
        return None
    return [
        dict(encode_message(_split_at_placeholders(m, part_types))) for m in published["prompt"]
    ]


def _has_part(message: dict[str, object], kind: str) -> bool:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return any(content_part_kind(part) == content_part_kind({"type": kind}) for part in parts)


def _count_placeholders(messages: list[dict[str, Any]], placeholder: str) -> int:
    texts = (m["content"] for m in messages if isinstance(m.get("content"), str))
    return sum(text.count(placeholder) for text in texts)


def _split_at_placeholders(
    message: dict[str, object], part_types: dict[str, str]
) -> dict[str, object]:
    """Return the message with its text cut at the marks, a part for each."""
    content = message.get("content")
    if not isinstance(content, str) or not any(
        placeholder in content for placeholder in part_types
    ):
        return message
    # The group keeps the marks among the pieces, in their places.
    pieces = re.split("(" + "|".join(map(re.escape, part_types)) + ")", content)
    parts = [
        {"type": part_types[piece]} if piece in part_types else {"type": "text", "text": piece}
        for piece in pieces
        if piece
    ]
    return {**message, "content": parts}
