"""Conversations in which tool calls, results and media stand in texts (LLaMA-Factory, ms-swift)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from curate.data.message_parts import (
    AUDIOS,
    CALL_IDS,
    IMAGES,
    MARKS,
    NAMES,
    REASONING,
    TEXTS,
    VIDEOS,
    call_json,
    holds_trace,
    part_kind,
    reasoning,
    tool_calls,
    whole,
    with_trace,
)

REWRITES = {
    CALL_IDS: "left out, since calls and results belong together by their order",
    NAMES: "left out, since calls and results belong together by their order",
    REASONING: "written as <think>...</think> before the text",
    TEXTS: "joined into one text",
}
MEDIA_COLUMNS = {IMAGES: "images", VIDEOS: "videos", AUDIOS: "audios"}
"""The column of a row's media of each kind of part."""
_PLACES = ("url", "path", "image", "image_url", "video", "video_url", "audio", "audio_url")


def media_columns(parts: Set[str]) -> list[str]:
    """The columns of media of data with these parts: in the row, or named by parts of messages."""
    return [column for kind, column in MEDIA_COLUMNS.items() if {kind, column} & parts]


@dataclass
class Media:
    """Media of a row in the order of their marks; those that a part itself names included.

    Attributes:
        given: the media of the row by column.
        found: by column, those that have a mark.
    """

    given: Mapping[str, Sequence[Any]]
    found: dict[str, list[Any]] = field(default_factory=dict)
    _used: Counter[str] = field(default_factory=Counter)

    def mark(self, kind: str, part: Mapping[str, Any]) -> str:
        """The mark of a part, whose medium is noted."""
        column = MEDIA_COLUMNS[kind]
        named = _place(part)
        if named is not None:
            medium = [{"path": named, "bytes": None}]
        else:
            medium = list(self.given.get(column) or ())[self._used[column] :][:1]
            self._used[column] += 1
        self.found.setdefault(column, []).extend(medium)
        return MARKS[kind]

    def rest(self, column: str) -> list[Any]:
        """The media of a column that no part stands for."""
        return list(self.given.get(column) or ())[self._used[column] :]

    def of(self, column: str) -> list[Any]:
        """All media of a column, those with a mark first."""
        return self.found.get(column, []) + self.rest(column)


def _place(part: Mapping[str, Any]) -> str | None:
    """The path or URL that a part names for its medium."""
    for key in _PLACES:
        value = part.get(key)
        value = value.get("url") if isinstance(value, dict) else value
        if isinstance(value, str):
            return value
    return None


@dataclass(frozen=True)
class Said:
    """What one message says.

    Attributes:
        role: user, assistant, system, tool...
        text: the content, with marks for media, after the trace if there is one.
        calls: name and arguments of each tool call as JSON.
    """

    role: str
    text: str
    calls: tuple[str, ...]


def said(message: Mapping[str, Any], media: Media) -> Said:
    """What a message of the pair table says; `media` notes those that it shows."""
    if message["more"] is None:
        return Said(message["role"], message["content"], ())
    published = whole(message)
    text, trace = _text(published, media), reasoning(published)
    calls = tuple(call_json(name, arguments) for name, arguments in tool_calls(published))
    told = text if holds_trace(text, trace) else with_trace(trace, text)
    return Said(published["role"], told, calls)


def _text(published: Mapping[str, Any], media: Media) -> str:
    content = published.get("content")
    if not isinstance(content, list):
        return content or ""
    text, before = "", ""
    for part in content:
        kind = part_kind(part)
        if kind in MEDIA_COLUMNS:
            text += media.mark(kind, part)
        elif kind == TEXTS:
            text += ("\n" if before == TEXTS else "") + (part.get("text") or "")
        before = kind
    return text
