"""Installed steps with name, purpose and summary, listed without importing any of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from curate.steps.brief import step_names_in, step_summary
from curate.steps.entries import (
    EXPORTS,
    FILTERS,
    FORMATS,
    SCORERS,
    builtin_entry,
    entry_points_by_name,
    filter_names,
    scorer_names,
)

if TYPE_CHECKING:
    from curate.steps.discovery import Catalogue

_PACKAGES = {FORMATS: "curate.read.formats", EXPORTS: "curate.write.exports"}


def brief_list() -> dict[str, Any]:
    """Return names, purposes and summaries of all steps; only plug-ins have to be imported."""
    unusable: dict[str, str] = {}
    listing: dict[str, Any] = {}
    kinds = (("scorers", SCORERS, scorer_names()), ("filters", FILTERS, filter_names()))
    for section, group, names in kinds:
        built_in = {name: _built_in_summary(group, name) for name in names}
        plugged_in = _plug_in_entries(
            section, [n for n, summary in built_in.items() if summary is None], unusable
        )
        listing[section] = {
            n: built_in[n] or plugged_in[n] for n in names if built_in[n] or n in plugged_in
        }
    listing["formats"] = _folder_and_plug_in_names(FORMATS, unusable)
    listing["exports"] = _folder_and_plug_in_names(EXPORTS, unusable)
    return listing | {"unusable": unusable}


def _folder_and_plug_in_names(group: str, unusable: dict[str, str]) -> list[str]:
    """Return the names of formats or exports; add the reasons of those that cannot be used."""
    names = step_names_in(_PACKAGES[group])
    if not entry_points_by_name(group):
        return names
    catalogue: Catalogue[Any] = import_module(f"{_PACKAGES[group]}.registry").CATALOGUE
    unusable |= catalogue.unusable
    return sorted(catalogue.usable)


def _built_in_summary(group: str, name: str) -> dict[str, str] | None:
    entry = builtin_entry(group, name)
    return None if entry is None else step_summary(entry)


def _plug_in_entries(section: str, names: list[str], unusable: dict[str, str]) -> dict[str, Any]:
    if not names:
        return {}
    from curate.cli.list_steps import load_entries
    from curate.steps.registry import filter_class, scorer_class

    return load_entries(names, scorer_class if section == "scorers" else filter_class, unusable)
