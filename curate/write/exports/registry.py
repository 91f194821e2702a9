"""Finds the exports of this folder."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from curate.errors import CurateError, suggestion
from curate.steps.discovery import named_classes
from curate.write.exports.base import Export
from curate.write.exports.parts import held_by

_FOLDER = "curate.write.exports"


@cache
def _exports() -> dict[str, type[Export]]:
    return named_classes(_FOLDER, Export)  # type: ignore[type-abstract]


def export_names() -> dict[str, str]:
    """Name and one-line summary of every export."""
    return {name: cls.summary for name, cls in _exports().items()}


def forms_holding(parts: Iterable[str], file_type: str) -> list[str]:
    """The exports that have a place for all of these parts."""
    wanted = set(parts)
    return [
        name
        for name, cls in sorted(_exports().items())
        if wanted <= held_by(cls(), file_type) and (cls.general or cls.needs & wanted)
    ]


def get_export(name: str, where: str = "output.format") -> Export:
    """The export called `name`; raises CurateError with the nearest name if there is none."""
    if name not in _exports():
        fix = suggestion(name, _exports())
        raise CurateError("unknown export format", where=where, found=repr(name), fix=fix)
    return _exports()[name]()
