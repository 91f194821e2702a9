"""Tools, media and arguments of a row, in the columns that the pair table has for them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from curate.data.json_text import to_json
from curate.data.row_parts import ARGUMENTS, DOCUMENTS, MEDIA, MEDIA_PARTS, ROW_PARTS, TOOLS
from curate.read.embedded_json import parse_embedded_json

FUNCTIONS = "functions"
"""OpenAI's older name of tools: a list of functions, without the object around each."""
NAMES: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in ROW_PARTS},
    TOOLS: (TOOLS, FUNCTIONS),
    "images": ("images", "image"),
    "videos": ("videos", "video"),
    "audios": ("audios", "audio"),
}
"""The columns of a file that hold each part of a row; in a row the first with a value counts."""
PATHS: Mapping[str, tuple[str, ...]] = {
    "images": ("image_path", "img_path", "image_file", "image_url"),
    "videos": ("video_path", "video_url"),
    "audios": ("audio_path", "audio_url"),
}
"""Columns that hold media where no column of `NAMES` does; beside one they say where it was."""
REJECTED_TOOLS = "rejected_tools"
PART_NAMES = frozenset(
    (REJECTED_TOOLS, *(n for named in (NAMES, PATHS) for names in named.values() for n in names))
)
_NO_PART = object()
_LIST = "["
_EXPECTED = "expected paths, URLs, or {bytes, path}"


@dataclass
class RowParts:
    """What was found of the parts of some rows.

    Attributes:
        columns: every column of `ROW_PARTS` that some row has.
        errors: rows whose media are of a shape that no trainer reads.
        left: by column of the file, the rows whose value is no such part: it belongs to `extra`.
        sources: the columns of the file that were read.
    """

    columns: dict[str, pl.Series] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    left: dict[str, set[int]] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)

    def frame(self, rows: int) -> list[pl.Series]:
        """All columns of `ROW_PARTS`, null where nothing was found."""
        return [
            self.columns[name].alias(name)
            if name in self.columns
            else pl.Series(name, [None] * rows, dtype=dtype)
            for name, dtype in ROW_PARTS.items()
        ]


def sources_of(present: Sequence[str], taken: Sequence[str]) -> dict[str, list[str]]:
    """The file's columns of each part that is there, but for those that a format reads itself."""
    found = {part: [n for n in names if n in present] for part, names in NAMES.items()}
    for part, names in PATHS.items():
        found[part] = found[part] or [n for n in names if n in present]
    return {p: names for p, names in found.items() if names and not set(names) & set(taken)}


def first_given(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Any]:
    """Of the values of several columns in each row the first that is there."""
    found = []
    for row in rows:
        given = ((n, v) for n, v in zip(names, row, strict=True) if v is not None)
        name, value = next(given, ("", None))
        found.append(_as_tools(value) if name == FUNCTIONS else value)
    return found


def _as_tools(functions: Any) -> Any:
    """Functions as tools; a value that no part is where it holds something else by that name."""
    listed = _json(TOOLS, functions)
    if not listed or not all(
        isinstance(f, dict) and isinstance(f.get("name"), str) for f in listed
    ):
        return _NO_PART
    return [{"type": "function", "function": function} for function in listed]


def take(part: str, names: Sequence[str], values: Sequence[Any], into: RowParts) -> None:
    """Add one part, given as Python values."""
    into.sources.update(names)
    name = names[0]
    if part in MEDIA_PARTS:
        into.columns[part] = media_series(name, values, into).alias(part)
        return
    left = into.left.setdefault(name, set())
    texts: list[str | None] = []
    for row, value in enumerate(values):
        found = _json(part, value)
        texts.append(to_json(found) if found else None)
        if found is None and value not in (None, ""):
            left.add(row)
    into.columns[part] = pl.Series(part, texts, dtype=pl.String)


def take_series(part: str, name: str, column: pl.Series, into: RowParts) -> None:
    """Add one part of media, given as a column."""
    into.sources.add(name)
    into.columns[part] = media_series(name, column, into).alias(part)


def media_series(name: str, values: Sequence[Any] | pl.Series, into: RowParts) -> pl.Series:
    """A column of media as `MEDIA`; what is none is an error of its row.

    Args:
        name: of the file's column.
        values: one a row; bytes in a column of files are not looked at.
        into: gets the errors.
    """
    if isinstance(values, pl.Series):
        inner = values.dtype.inner if isinstance(values.dtype, pl.List) else values.dtype
        texts = values.dtype == pl.String and values.str.starts_with(_LIST).any()
        if _is_medium(inner) and not texts:
            return _as_media(name, values)
        values = values.to_list()
    media: list[Any] = []
    for row, value in enumerate(values):
        found, wrong = _media(value)
        media.append(found)
        if wrong:
            into.errors.setdefault(row, f"'{name}' holds {wrong}; {_EXPECTED}")
    return pl.Series(name, media, dtype=MEDIA)


def _as_media(name: str, column: pl.Series) -> pl.Series:
    """A column of files, of their bytes or of paths, without a loop over rows."""
    listed = isinstance(column.dtype, pl.List)
    inner = column.dtype.inner if isinstance(column.dtype, pl.List) else column.dtype
    one = pl.element() if listed else pl.col(name)
    fields = inner.to_schema() if isinstance(inner, pl.Struct) else {}
    nothing = {"path": pl.lit(None, dtype=pl.String), "bytes": pl.lit(None, dtype=pl.Binary)}
    values = {f: one.struct.field(f) if f in fields else nothing[f] for f in nothing}
    if not fields:
        values["bytes" if inner == pl.Binary else "path"] = one
    medium = pl.struct(value.alias(f) for f, value in values.items())
    media = pl.col(name).list.eval(medium) if listed else pl.concat_list(medium)
    some = pl.col(name).list.len() > 0 if listed else pl.col(name).is_not_null()
    found = column.alias(name).to_frame().select(pl.when(some).then(media).cast(MEDIA).alias(name))
    return found[name]


def split_documents(into: RowParts) -> None:
    """Documents among the template's arguments, where TRL has them, into their own column."""
    arguments = into.columns.get(ARGUMENTS)
    if arguments is None or DOCUMENTS in into.columns:
        return
    found = [json.loads(text) if text else {} for text in arguments]
    if not any(isinstance(a.get(DOCUMENTS), list) for a in found):
        return
    documents = [a.pop(DOCUMENTS, None) for a in found]
    take(DOCUMENTS, [DOCUMENTS], documents, into)
    take(ARGUMENTS, [ARGUMENTS], found, into)


def compare(other: Sequence[Any], into: RowParts) -> None:
    """Rows whose `rejected_tools` are not their tools are errors: a pair has one list of them."""
    tools = into.columns.get(TOOLS)
    for row, value in enumerate(other):
        found = _json(TOOLS, value)
        own = None if tools is None else tools[row]
        if found and to_json(found) != own:
            told = (
                f"'{REJECTED_TOOLS}' are not 'tools'; a pair has one list of tools for both answers"
            )
            into.errors.setdefault(row, told)
    into.sources.add(REJECTED_TOOLS)


def _is_medium(kind: Any) -> bool:
    if isinstance(kind, pl.Struct):
        fields = kind.to_schema()
        known = {"path": pl.String(), "bytes": pl.Binary()}
        return bool(fields) and all(known.get(f) == t for f, t in fields.items())
    return bool(kind in (pl.String, pl.Binary))


def _media(value: Any) -> tuple[list[dict[str, Any]] | None, str | None]:
    """The media of a row, or None and what is wrong."""
    # An empty path names nothing, as in Music Arena for audios that are not published.
    if value is None or value in ([], ""):
        return None, None
    media = []
    # A list of paths that stands as text is no path.
    value = parse_embedded_json(value)
    for item in value if isinstance(value, list) else [value]:
        found = _described(item)
        if found is None:
            return None, f"{type(item).__name__} {str(item)[:40]!r}"
        media.append(found)
    return media, None


def _described(item: Any) -> dict[str, Any] | None:
    """A medium that is told as a path, as its bytes, or as an object of path, url or bytes."""
    if isinstance(item, str | bytes):
        item = {"path" if isinstance(item, str) else "bytes": item}
    if not isinstance(item, dict) or not item.keys() <= {"path", "url", "bytes"}:
        return None
    path, data = item.get("path") or item.get("url"), item.get("bytes")
    if isinstance(data, str):
        try:
            data = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            return None
    good = isinstance(path, str | None) and isinstance(data, bytes | None)
    return {"path": path, "bytes": data} if good and (path or data) else None


def _json(part: str, value: Any) -> Any:
    """The list or object that a part is, from itself or its text; None for another value."""
    value = parse_embedded_json(value)
    wanted = {TOOLS: list, ARGUMENTS: dict, DOCUMENTS: list}[part]
    return value if isinstance(value, wanted) else None
