"""Traces and tool calls within a text as blocks that can be folded, and a row's tools and media."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson
from markupsafe import Markup, escape

from curate.data.attachments import MEDIA_COLUMNS, TEXT_ATTACHMENTS
from curate.report.thumbnails import make_thumbnail

_BLOCK = re.compile(
    r"<think>(?P<trace>.*?)(?:</think>|\Z)|<tool_call>(?P<call>.*?)(?:</tool_call>|\Z)", re.DOTALL
)
_MAX_BLOCK_CHARACTERS = 8000
"""Characters of a block that are shown."""
_MAX_THUMBNAILS = 4
"""Thumbnails a pair."""
_FOLDED_HTML = Markup(
    '<details class="block"><summary>{0} <span class="muted">{1:,} characters</span></summary>'
    "<pre>{2}</pre></details>"
)


def split_blocks(text: str) -> tuple[Markup, str]:
    """Return the traces and tool calls of a text as folded HTML, and the text without them."""
    folded = []
    for match in _BLOCK.finditer(text):
        kind = "trace" if match["trace"] is not None else "tool call"
        body = (match["trace"] or match["call"] or "").strip()
        folded.append(_fold_block(kind, _pretty_json(body) if kind == "tool call" else body))
    return Markup("").join(folded), _BLOCK.sub("", text).strip() if folded else text


def row_blocks(row: Mapping[str, object], folders: Sequence[Path]) -> Markup:
    """Return tools, arguments and documents of a row as folded JSON, and its media as thumbnails.

    Args:
        row: a row of the pair table.
        folders: folders in which media files are searched; no other file is opened.
    """
    sections = [
        _fold_block(name, _pretty_json(str(row[name])))
        for name in TEXT_ATTACHMENTS
        if row.get(name)
    ]
    for name in MEDIA_COLUMNS:
        media = row.get(name)
        if isinstance(media, list) and media:
            sections.append(_media_block(name.replace("_", " "), media, folders))
    return Markup("").join(sections)


def _fold_block(kind: str, body: str) -> Markup:
    beginning = body[:_MAX_BLOCK_CHARACTERS] + (" …" if len(body) > _MAX_BLOCK_CHARACTERS else "")
    return _FOLDED_HTML.format(kind, len(body), beginning)


def _pretty_json(text: str) -> str:
    """Return JSON with line breaks, and any other text unchanged."""
    try:
        return json.dumps(orjson.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _media_block(
    name: str, media: Sequence[Mapping[str, object]], folders: Sequence[Path]
) -> Markup:
    thumbnails = [_medium_html(medium, folders) for medium in media[:_MAX_THUMBNAILS]]
    hidden = len(media) - len(thumbnails)
    note = Markup('<span class="muted">and {:,} more</span>').format(hidden) if hidden > 0 else ""
    return Markup('<div class="media" aria-label="{}">{}{}</div>').format(
        name, Markup("").join(thumbnails), note
    )


def _medium_html(medium: Mapping[str, object], folders: Sequence[Path]) -> Markup:
    preview = make_thumbnail(medium, folders)
    name = str(medium["path"] or "in the data")[-80:]
    if preview.url is None:
        caption = f"{name}: {preview.problem}" if preview.problem else name
        return Markup('<span class="medium">{}</span>').format(caption)
    return Markup('<img class="medium" src="{}" alt="{}" title="{}">').format(
        preview.url, escape(f"image {name}"), name
    )
