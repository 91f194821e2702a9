"""Finds the exports of this folder."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from curate.errors import CurateError, suggestion
from curate.steps.discovery import find_classes
from curate.write.exports.base import Export
from curate.write.exports.content_support import supported_content

_FOLDER = "curate.write.exports"


@cache
def _export_classes() -> dict[str, type[Export]]:
    return find_classes(_FOLDER, Export)  # type: ignore[type-abstract]


def export_names() -> dict[str, str]:
    """Return name and one-line summary of every export."""
    return {name: cls.summary for name, cls in _export_classes().items()}


def exports_supporting(parts: Iterable[str], file_type: str) -> list[str]:
    """Return the exports that support all of this content."""
    content = set(parts)
    return [
        name
        for name, cls in sorted(_export_classes().items())
        if content <= supported_content(cls(), file_type) and (cls.general or cls.needs & content)
    ]


def get_export(name: str, where: str = "output.format") -> Export:
    """Return the export `name`; raise CurateError with the closest name if there is none."""
    if name not in _export_classes():
        fix = suggestion(name, _export_classes())
        raise CurateError("unknown export format", where=where, found=repr(name), fix=fix)
    return _export_classes()[name]()
