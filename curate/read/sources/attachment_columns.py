"""Brings tools, media and arguments of a row to the columns of the pair table."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from curate.data.attachments import ARGUMENTS, ATTACHMENTS, DOCUMENTS, MEDIA, MEDIA_COLUMNS, TOOLS
from curate.data.json_text import to_json
from curate.read.embedded_json import parse_embedded_json

FUNCTIONS = "functions"
"""OpenAI's older name of tools: a list of functions, without the object around each."""
NAMES: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in ATTACHMENTS},
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
ATTACHMENT_COLUMNS = frozenset(
    (REJECTED_TOOLS, *(n for named in (NAMES, PATHS) for names in named.values() for n in names))
)
_NO_ATTACHMENT = object()
_LIST = "["
_EXPECTED = "expected paths, URLs, or {bytes, path}"


@dataclass
class RowAttachments:
    """What was found of the parts of some rows.

    Attributes:
        columns: every column of `ROW_PARTS` that some row has.
        errors: rows whose media are of a shape that no trainer reads.
        left: by column of the file, the rows whose value is no such part: it belongs to `extra`.
        sources: the columns of the file that were read.
    """

    columns: dict[str, pl.Series] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    unplaced_rows: dict[str, set[int]] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)

    def frame(self, rows: int) -> list[pl.Series]:
        """Return all columns of `ROW_PARTS`, null if the rows have none."""
        return [
            self.columns[name].alias(name)
            if name in self.columns
            else pl.Series(name, [None] * rows, dtype=dtype)
            for name, dtype in ATTACHMENTS.items()
        ]


def attachment_sources(present: Sequence[str], read_columns: Sequence[str]) -> dict[str, list[str]]:
    """Return the file's columns of each attachment, except those that a format reads itself."""
    sources = {
        attachment: [n for n in names if n in present] for attachment, names in NAMES.items()
    }
    for attachment, names in PATHS.items():
        # A path says where a medium was; a column with the medium itself goes first.
        sources[attachment] = sources[attachment] or [n for n in names if n in present]
    return {
        p: names for p, names in sources.items() if names and not set(names) & set(read_columns)
    }


def first_not_null(names: Sequence[str], rows: Iterable[Sequence[object]]) -> list[object]:
    """Return the first value that each row has among several columns."""
    values = []
    for row in rows:
        not_null = ((n, v) for n, v in zip(names, row, strict=True) if v is not None)
        name, value = next(not_null, ("", None))
        values.append(_as_tools(value) if name == FUNCTIONS else value)
    return values


def _as_tools(functions: Any) -> Any:
    """Return OpenAI's functions as tools; `_NO_PART` for another value by that name."""
    listed = _parse_attachment(TOOLS, functions)
    if not listed or not all(
        isinstance(f, dict) and isinstance(f.get("name"), str) for f in listed
    ):
        return _NO_ATTACHMENT
    # OpenAI's newer form, which chat templates expect.
    return [{"type": "function", "function": function} for function in listed]


def add_attachment(
    attachment: str, names: Sequence[str], values: Sequence[object], into: RowAttachments
) -> None:
    """Add one attachment from Python values."""
    into.sources.update(names)
    name = names[0]
    if attachment in MEDIA_COLUMNS:
        into.columns[attachment] = media_series(name, values, into).alias(attachment)
        return
    unplaced_rows = into.unplaced_rows.setdefault(name, set())
    texts: list[str | None] = []
    for row, value in enumerate(values):
        parsed = _parse_attachment(attachment, value)
        texts.append(to_json(parsed) if parsed else None)
        if parsed is None and value not in (None, ""):
            unplaced_rows.add(row)
    into.columns[attachment] = pl.Series(attachment, texts, dtype=pl.String)


def add_media_attachment(
    attachment: str, name: str, column: pl.Series, into: RowAttachments
) -> None:
    """Add one attachment of media from a column."""
    into.sources.add(name)
    into.columns[attachment] = media_series(name, column, into).alias(attachment)


def media_series(
    name: str, values: Sequence[object] | pl.Series, into: RowAttachments
) -> pl.Series:
    """Return a column of media as `MEDIA`; what is none is an error of its row.

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
    media: list[object] = []
    for row, value in enumerate(values):
        row_media, wrong = _parse_media(value)
        media.append(row_media)
        if wrong:
            into.errors.setdefault(row, f"'{name}' holds {wrong}; {_EXPECTED}")
    return pl.Series(name, media, dtype=MEDIA)


def _as_media(name: str, column: pl.Series) -> pl.Series:
    """Return a column of files, of their bytes or of paths, without a loop over rows."""
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
    is_present = pl.col(name).list.len() > 0 if listed else pl.col(name).is_not_null()
    converted = (
        column.alias(name)
        .to_frame()
        .select(pl.when(is_present).then(media).cast(MEDIA).alias(name))
    )
    return converted[name]


def split_documents(into: RowAttachments) -> None:
    """Move documents from the template's arguments, where TRL has them, to their own column."""
    arguments = into.columns.get(ARGUMENTS)
    if arguments is None or DOCUMENTS in into.columns:
        return
    parsed_arguments = [json.loads(text) if text else {} for text in arguments]
    if not any(isinstance(a.get(DOCUMENTS), list) for a in parsed_arguments):
        return
    documents = [a.pop(DOCUMENTS, None) for a in parsed_arguments]
    add_attachment(DOCUMENTS, [DOCUMENTS], documents, into)
    add_attachment(ARGUMENTS, [ARGUMENTS], parsed_arguments, into)


def check_rejected_tools(values: Sequence[object], into: RowAttachments) -> None:
    """Add an error to rows whose `rejected_tools` are not their tools: a pair has one list."""
    tools = into.columns.get(TOOLS)
    for row, value in enumerate(values):
        rejected_tools = _parse_attachment(TOOLS, value)
        row_tools = None if tools is None else tools[row]
        if rejected_tools and to_json(rejected_tools) != row_tools:
            problem = (
                f"'{REJECTED_TOOLS}' are not 'tools'; a pair has one list of tools for both answers"
            )
            into.errors.setdefault(row, problem)
    into.sources.add(REJECTED_TOOLS)


def _is_medium(kind: object) -> bool:
    if isinstance(kind, pl.Struct):
        fields = kind.to_schema()
        field_types = {"path": pl.String(), "bytes": pl.Binary()}
        return bool(fields) and all(field_types.get(f) == t for f, t in fields.items())
    return bool(kind in (pl.String, pl.Binary))


def _parse_media(value: object) -> tuple[list[dict[str, object]] | None, str | None]:
    """Return the media of a row, or None and what is wrong."""
    # An empty path names nothing, as in Music Arena for audios that are not published.
    if value is None or value in ([], ""):
        return None, None
    media = []
    # A text that is a list of paths is not a path.
    value = parse_embedded_json(value)
    for item in value if isinstance(value, list) else [value]:
        medium = _parse_medium(item)
        if medium is None:
            return None, f"{type(item).__name__} {str(item)[:40]!r}"
        media.append(medium)
    return media, None


def _parse_medium(item: object) -> dict[str, object] | None:
    """Return a medium given as a path, as bytes, or as an object of path, url or bytes."""
    if isinstance(item, str | bytes):
        item = {"path" if isinstance(item, str) else "bytes": item}
    if not isinstance(item, dict) or not item.keys() <= {"path", "url", "bytes"}:
        return None
    path, data = item.get("path") or item.get("url"), item.get("bytes")
    if isinstance(data, str):
        try:
            # Strictly: without `validate` any text would pass for some bytes.
            data = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            return None
    good = isinstance(path, str | None) and isinstance(data, bytes | None)
    return {"path": path, "bytes": data} if good and (path or data) else None


def _parse_attachment(attachment: str, value: Any) -> Any:
    """Return the list or object that a part is, from itself or its text; None for another value."""
    value = parse_embedded_json(value)
    expected_type = {TOOLS: list, ARGUMENTS: dict, DOCUMENTS: list}[attachment]
    return value if isinstance(value, expected_type) else None
