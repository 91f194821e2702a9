"""What the files of a folder hold, each by its first rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from curate.data.json_result import JsonResult
from curate.errors import CurateError
from curate.read.formats import detect_format
from curate.read.formats.base import RowSample
from curate.read.sources import RowSource

_SAMPLE_ROWS = 100
_MAX_FILES = 500
"""Files that are opened: a folder of more is read by the kind of the first ones."""


@dataclass(frozen=True)
class FileKind(JsonResult):
    """Files of one kind.

    Attributes:
        format: name of their format; None if it was not recognised.
        files: their names.
        columns: columns of the first one.
        problem: why the first one cannot be read, and what to do; empty for known formats.
    """

    format: str | None
    files: tuple[str, ...]
    columns: tuple[str, ...]
    problem: str = ""


def files_by_kind(sources: Iterable[RowSource]) -> list[FileKind]:
    """Return the kinds of the files, by the order in which they come; no kind for empty files.

    Files of the same columns, or of the same format, are of one kind.
    """
    kinds: list[FileKind] = []
    for source in list(sources)[:_MAX_FILES]:
        columns, sample, problem = _first_rows(source)
        if not sample and not problem:
            continue
        same = next((k for k in kinds if sample and set(k.columns) == set(columns)), None)
        kind = same or _detected_kind(source, columns, sample, problem)
        same = same or next((k for k in kinds if k.format and k.format == kind.format), None)
        if same is None:
            kinds.append(kind)
        else:
            kinds[kinds.index(same)] = replace(same, files=(*same.files, source.label))
    return kinds


def _first_rows(source: RowSource) -> tuple[tuple[str, ...], RowSample, str]:
    """Return the columns of a file, its first rows, and why it cannot be read."""
    try:
        for block in source.blocks():
            if sample := block.sample(_SAMPLE_ROWS):
                return tuple(dict.fromkeys(key for row in sample for key in row)), sample, ""
    except CurateError as error:
        return (), [], _problem_text(error)
    return (), [], ""


def _detected_kind(
    source: RowSource, columns: tuple[str, ...], sample: RowSample, problem: str
) -> FileKind:
    name = None
    if sample:
        try:
            name = detect_format(sample, source.label).name
        except CurateError as error:
            problem = _problem_text(error)
    return FileKind(name, (source.label,), columns, problem)


def _problem_text(error: CurateError) -> str:
    return f"{error.problem}; {error.fix}" if error.fix else error.problem
