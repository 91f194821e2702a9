"""`<image>` and its relatives in texts, which stand for a row's media, as parts of the content."""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from curate.data.found_parts import TURNS
from curate.data.message_parts import AUDIOS, IMAGES, MARKS, VIDEOS, kept, part_kind, whole
from curate.data.table import messages_series

_MARKED = {
    "images": (MARKS[IMAGES], "image"),
    "videos": (MARKS[VIDEOS], "video"),
    "audios": (MARKS[AUDIOS], "audio"),
}
"""The mark of each column of media, and the type of the part that it becomes."""


def expand_media_placeholders(pairs: pl.DataFrame) -> pl.DataFrame:
    """Prompts whose marks are as many as the row's media, with a part for each mark.

    LLaMA-Factory and ms-swift write marks, TRL writes parts. A mark without a medium stays the text
    that it is, and so does every mark of a row whose numbers differ.
    """
    there = [c for c in _MARKED if pairs[c].null_count() < len(pairs)]
    if not there:
        return pairs
    some = pl.any_horizontal(pl.col(there).is_not_null())
    rows = pairs.with_row_index("_at").filter(some).select("_at", *TURNS, *there)
    prompts = pairs["prompt"].to_list() if len(rows) else []
    changed = False
    for row in rows.iter_rows(named=True):
        turns = _parted(row, there)
        if turns is not None:
            prompts[row["_at"]], changed = turns, True
    return pairs.with_columns(prompt=messages_series("prompt", prompts)) if changed else pairs


def _parted(row: dict[str, Any], there: list[str]) -> list[dict[str, Any]] | None:
    """The prompt with parts, or None where it stays as it is."""
    published = {side: [whole(m) for m in row[side] or ()] for side in TURNS}
    wanted: dict[str, str] = {}
    for column in there:
        mark, kind = _MARKED[column]
        if row[column] is None:
            continue
        texts = [m for turns in published.values() for m in turns]
        if any(_has_part(m, kind) for m in texts) or _count(texts, mark) == 0:
            continue
        if _count(published["prompt"], mark) != len(row[column]):
            return None
        wanted[mark] = kind
    if not wanted:
        return None
    return [dict(kept(_with_parts(m, wanted))) for m in published["prompt"]]


def _has_part(message: dict[str, Any], kind: str) -> bool:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return any(part_kind(part) == part_kind({"type": kind}) for part in parts)


def _count(messages: list[dict[str, Any]], mark: str) -> int:
    texts = (m["content"] for m in messages if isinstance(m.get("content"), str))
    return sum(text.count(mark) for text in texts)


def _with_parts(message: dict[str, Any], wanted: dict[str, str]) -> dict[str, Any]:
    """The message with its text cut at the marks, a part for each."""
    content = message.get("content")
    if not isinstance(content, str) or not any(mark in content for mark in wanted):
        return message
    pieces = re.split("(" + "|".join(map(re.escape, wanted)) + ")", content)
    parts = [
        {"type": wanted[piece]} if piece in wanted else {"type": "text", "text": piece}
        for piece in pieces
        if piece
    ]
    return {**message, "content": parts}
