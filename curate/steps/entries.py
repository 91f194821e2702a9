"""The names of scorers and filters, by entry points: nothing heavy is imported for them."""

from __future__ import annotations

import importlib.util
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from curate.errors import CurateError

SCORERS, FILTERS = "curate.scorers", "curate.filters"
_OUR_PACKAGES = ("scorers", "filters")


def check_not_shadowed() -> None:
    """Make sure that `scorers` and `filters` are this project's packages.

    Raises:
        CurateError: another folder of that name comes first on the import path.
    """
    home = Path(__file__).resolve().parents[2]
    for name in _OUR_PACKAGES:
        spec = importlib.util.find_spec(name)
        places = (
            [] if spec is None else list(spec.submodule_search_locations or [spec.origin or ""])
        )
        if not places or Path(places[0]).resolve() != home / name:
            raise CurateError(
                f"the package '{name}' of curate is shadowed by another module of that name",
                where=places[0] if places else "not importable",
                expected=str(home / name),
                fix="run from another folder, rename that module, or remove it from PYTHONPATH",
            )


@cache
def entries_of(group: str) -> dict[str, EntryPoint]:
    """The entry point of each name, this project's before others."""
    return {name: found[0] for name, found in all_entries(group).items()}


@cache
def all_entries(group: str) -> dict[str, list[EntryPoint]]:
    """Every entry point under each name, those of this project first."""
    found: dict[str, dict[str, EntryPoint]] = {}
    for entry in entry_points(group=group):
        found.setdefault(entry.name, {}).setdefault(entry.value, entry)
    return {
        name: sorted(entries.values(), key=lambda e: (not is_own(e), e.value))
        for name, entries in found.items()
    }


def is_own(entry: EntryPoint) -> bool:
    """Whether an entry point leads to a step of this project."""
    return entry.module.partition(".")[0] in _OUR_PACKAGES


def name_conflicts() -> dict[str, str]:
    """Names that several plug-ins claim, with what each leads to: none of them is used."""
    both = {**all_entries(SCORERS), **all_entries(FILTERS)}
    return {n: ", ".join(e.value for e in found) for n, found in both.items() if len(found) > 1}


def scorer_names() -> list[str]:
    """Names of all scorers, built in and plugged in."""
    return sorted(entries_of(SCORERS))


def filter_names() -> list[str]:
    """Names of all filters, built in and plugged in."""
    return sorted(entries_of(FILTERS))


def own_entry(group: str, name: str) -> EntryPoint | None:
    """The entry point of a step of this project that no plug-in claims too; else None."""
    claims = all_entries(group)[name]
    return claims[0] if len(claims) == 1 and is_own(claims[0]) else None
