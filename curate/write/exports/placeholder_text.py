"""Conversations in which tool calls, results and media stand in texts (LLaMA-Factory, ms-swift)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from curate.data.messages import (
    AUDIOS,
    CALL_IDS,
    IMAGES,
    NAMES,
    PLACEHOLDERS,
    REASONING,
    TEXTS,
    VIDEOS,
    contains_trace,
    content_part_kind,
    decode_message,
    message_tool_calls,
    prepend_trace,
    reasoning_trace,
    tool_call_json,
)

REWRITES = {
    CALL_IDS: "left out, since calls and results belong together by their order",
    NAMES: "left out, since calls and results belong together by their order",
    REASONING: "written as <think>...</think> before the text",
    TEXTS: "joined into one text",
}
MEDIA_COLUMNS = {IMAGES: "images", VIDEOS: "videos", AUDIOS: "audios"}
"""The column of a row's media of each kind of part."""
_SOURCE_KEYS = ("url", "path", "image", "image_url", "video", "video_url", "audio", "audio_url")


def media_columns(parts: Set[str]) -> list[str]:
    """Return the media columns of data with this content, in rows or messages."""
    return [column for kind, column in MEDIA_COLUMNS.items() if {kind, column} & parts]


@dataclass
class TurnMedia:
    """Media of a row in the order of their marks; those that a part itself names included.

    Attributes:
        row_media: the media of the row by column.
        shown_media: by column, those with a placeholder.
    """

    row_media: Mapping[str, Sequence[Any]]
    shown_media: dict[str, list[Any]] = field(default_factory=dict)
    _used: Counter[str] = field(default_factory=Counter)

    def placeholder(self, kind: str, part: Mapping[str, Any]) -> str:
        """Return the placeholder of a content part, and collect its medium."""
        column = MEDIA_COLUMNS[kind]
        named = _medium_source(part)
        if named is not None:
            medium = [{"path": named, "bytes": None}]
        else:
            medium = list(self.row_media.get(column) or ())[self._used[column] :][:1]
            self._used[column] += 1
        self.shown_media.setdefault(column, []).extend(medium)
        return PLACEHOLDERS[kind]

    def unshown(self, column: str) -> list[Any]:
        """Return the media of a column that no content part shows."""
        return list(self.row_media.get(column) or ())[self._used[column] :]

    def all_media(self, column: str) -> list[Any]:
        """Return all media of a column, those with a placeholder first."""
        return self.shown_media.get(column, []) + self.unshown(column)


def _medium_source(part: Mapping[str, Any]) -> str | None:
    """Return the path or URL of a content part's medium."""
    for key in _SOURCE_KEYS:
        value = part.get(key)
        value = value.get("url") if isinstance(value, dict) else value
        if isinstance(value, str):
            return value
    return None


@dataclass(frozen=True)
class RenderedTurn:
    """What one message says.

    Attributes:
        role: user, assistant, system, tool...
        text: the content, with marks for media, after the trace if there is one.
        calls: name and arguments of each tool call as JSON.
    """

    role: str
    text: str
    calls: tuple[str, ...]


def render_turn(message: Mapping[str, Any], media: TurnMedia) -> RenderedTurn:
    """Return a message of the pair table as text; `media` collects the media it shows."""
    if message["more"] is None:
        return RenderedTurn(message["role"], message["content"], ())
    published = decode_message(message)
    text, trace = _content_with_placeholders(published, media), reasoning_trace(published)
    calls = tuple(
        tool_call_json(name, arguments) for name, arguments in message_tool_calls(published)
    )
    text_with_trace = text if contains_trace(text, trace) else prepend_trace(trace, text)
    return RenderedTurn(published["role"], text_with_trace, calls)


def _content_with_placeholders(published: Mapping[str, Any], media: TurnMedia) -> str:
    content = published.get("content")
    if not isinstance(content, list):
        return content or ""
    text, before = "", ""
    for part in content:
        kind = content_part_kind(part)
        if kind in MEDIA_COLUMNS:
            text += media.placeholder(kind, part)
        elif kind == TEXTS:
            text += ("\n" if before == TEXTS else "") + (part.get("text") or "")
        before = kind
    return text
