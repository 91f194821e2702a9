"""Traces and tool calls within a text as blocks that can be folded, and a row's tools and media."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from markupsafe import Markup, escape

from curate.data.row_parts import MEDIA_PARTS, TEXT_PARTS
from curate.report.thumbnails import thumbnail

_BLOCK = re.compile(
    r"<think>(?P<trace>.*?)(?:</think>|\Z)|<tool_call>(?P<call>.*?)(?:</tool_call>|\Z)", re.DOTALL
)
_LONGEST = 8000
"""Characters of a block that are shown."""
_MOST_MEDIA = 4
"""Thumbnails a pair."""
_FOLDED = Markup(
    '<details class="block"><summary>{0} <span class="muted">{1:,} characters</span></summary>'
    "<pre>{2}</pre></details>"
)


def split_blocks(text: str) -> tuple[Markup, str]:
    """The traces and tool calls of a text as folded HTML, and the text without them."""
    folded = []
    for found in _BLOCK.finditer(text):
        kind = "trace" if found["trace"] is not None else "tool call"
        body = (found["trace"] or found["call"] or "").strip()
        folded.append(_folded(kind, _pretty(body) if kind == "tool call" else body))
    return Markup("").join(folded), _BLOCK.sub("", text).strip() if folded else text


def row_blocks(row: Mapping[str, Any], folders: Sequence[Path]) -> Markup:
    """Tools, arguments and documents of a row as folded JSON, and its media as thumbnails.

    Args:
        row: of the pair table.
        folders: in which paths of media are looked for; no other file is opened.
    """
    parts = [_folded(name, _pretty(row[name])) for name in TEXT_PARTS if row.get(name)]
    for name in MEDIA_PARTS:
        media = row.get(name)
        if media:
            parts.append(_media(name.replace("_", " "), media, folders))
    return Markup("").join(parts)


def _folded(kind: str, body: str) -> Markup:
    shown = body[:_LONGEST] + (" …" if len(body) > _LONGEST else "")
    return _FOLDED.format(kind, len(body), shown)


def _pretty(text: str) -> str:
    """JSON with line breaks; other texts as they are."""
    try:
        return json.dumps(orjson.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _media(name: str, media: Sequence[Mapping[str, Any]], folders: Sequence[Path]) -> Markup:
    shown = [_medium(medium, folders) for medium in media[:_MOST_MEDIA]]
    more = len(media) - len(shown)
    note = Markup('<span class="muted">and {:,} more</span>').format(more) if more > 0 else ""
    return Markup('<div class="media" aria-label="{}">{}{}</div>').format(
        name, Markup("").join(shown), note
    )


def _medium(medium: Mapping[str, Any], folders: Sequence[Path]) -> Markup:
    found = thumbnail(medium, folders)
    name = str(medium["path"] or "in the data")[-80:]
    if found.url is None:
        told = f"{name}: {found.problem}" if found.problem else name
        return Markup('<span class="medium">{}</span>').format(told)
    return Markup('<img class="medium" src="{}" alt="{}" title="{}">').format(
        found.url, escape(f"image {name}"), name
    )
