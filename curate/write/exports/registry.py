"""Finds the exports of this folder and of plug-ins."""

from __future__ import annotations

from collections.abc import Iterable

from curate.steps.discovery import Catalogue
from curate.steps.entries import EXPORTS
from curate.write.exports.base import Export

CATALOGUE: Catalogue[Export] = Catalogue(
    "export format",
    "curate.write.exports",
    EXPORTS,
    Export,  # type: ignore[type-abstract]
)


def export_names() -> dict[str, str]:
    """Return name and one-line summary of every export that can be used."""
    return {name: cls.summary for name, cls in CATALOGUE.usable.items()}


def exports_supporting(
    parts: Iterable[str], file_type: str, single_answers: bool = False
) -> list[str]:
    """Return the exports that support all of this content, of pairs or of single answers."""
    content = set(parts)
    return [
        name
        for name, cls in sorted(CATALOGUE.usable.items())
        if content <= cls().supported_content(file_type)
        and (cls.general or cls.needs & content)
        and (cls.single_answers if single_answers else cls.pairs)
    ]


def get_export(name: str, where: str = "output.format") -> Export:
    """Return the export `name`; raise CurateError with the closest name if there is none."""
    return CATALOGUE.load(name, where)()
