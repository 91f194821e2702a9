"""The names of scorers and filters, by entry points: nothing heavy is imported for them."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

SCORERS, FILTERS = "curate.scorers", "curate.filters"
FORMATS, EXPORTS = "curate.formats", "curate.exports"


@cache
def entry_point_by_name(group: str) -> dict[str, EntryPoint]:
    """Return the entry point of each name; this project's take precedence."""
    return {name: entries[0] for name, entries in entry_points_by_name(group).items()}


@cache
def entry_points_by_name(group: str) -> dict[str, list[EntryPoint]]:
    """Return all entry points of each name, those of this project first."""
    by_value: dict[str, dict[str, EntryPoint]] = {}
    for entry in entry_points(group=group):
        # A package that is found twice on the path lists the same entry again: no conflict.
        by_value.setdefault(entry.name, {}).setdefault(entry.value, entry)
    return {
        # curate's own first: a plug-in of the same name is the conflict, not curate.
        name: sorted(entries.values(), key=lambda e: (not is_builtin(e), e.value))
        for name, entries in by_value.items()
    }


def is_builtin(entry: EntryPoint) -> bool:
    """Return whether an entry point is a step of this project."""
    return entry.module.startswith((f"{SCORERS}.", f"{FILTERS}."))


def scorer_names() -> list[str]:
    """Return the names of all scorers, built-in ones and plug-ins."""
    return sorted(entry_point_by_name(SCORERS))


def filter_names() -> list[str]:
    """Return the names of all filters, built-in ones and plug-ins."""
    return sorted(entry_point_by_name(FILTERS))


def builtin_entry(group: str, name: str) -> EntryPoint | None:
    """Return the entry point of a built-in step, None if a plug-in has the same name."""
    claims = entry_points_by_name(group)[name]
    return claims[0] if len(claims) == 1 and is_builtin(claims[0]) else None
