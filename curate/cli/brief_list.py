"""Installed steps with name, purpose and summary, listed without importing any of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from curate.steps.brief import StepSummary, step_names_in, step_summary
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


@dataclass(frozen=True)
class BriefListing:
    """Everything that is installed, by name.

    Attributes:
        steps: summaries of the scorers and of the filters.
        names: names of the formats and of the exports.
        unusable: why plug-ins cannot be used.
    """

    steps: dict[str, dict[str, StepSummary]]
    names: dict[str, list[str]]
    unusable: dict[str, str]


def brief_list() -> BriefListing:
    """Return names, purposes and summaries of all steps; only plug-ins have to be imported."""
    unusable: dict[str, str] = {}
    steps = {
        "scorers": _summaries(SCORERS, scorer_names(), unusable),
        "filters": _summaries(FILTERS, filter_names(), unusable),
    }
    names = {
        "formats": _folder_and_plug_in_names(FORMATS, unusable),
        "exports": _folder_and_plug_in_names(EXPORTS, unusable),
    }
    return BriefListing(steps, names, unusable)


def _summaries(group: str, names: list[str], unusable: dict[str, str]) -> dict[str, StepSummary]:
    """Return the summaries of scorers or filters, those of plug-ins from their classes."""
    entries = {name: builtin_entry(group, name) for name in names}
    built_in = {name: step_summary(e) for name, e in entries.items() if e is not None}
    without_text = [name for name in names if built_in.get(name) is None]
    plugged_in = _plug_in_summaries(group, without_text, unusable)
    summaries = {name: built_in.get(name) or plugged_in.get(name) for name in names}
    return {name: summary for name, summary in summaries.items() if summary is not None}


def _folder_and_plug_in_names(group: str, unusable: dict[str, str]) -> list[str]:
    """Return the names of formats or exports; add the reasons of those that cannot be used."""
    names = step_names_in(_PACKAGES[group])
    if not entry_points_by_name(group):
        return names
    catalogue: Catalogue[Any] = import_module(f"{_PACKAGES[group]}.registry").CATALOGUE
    unusable |= catalogue.unusable
    return sorted(catalogue.usable)


def _plug_in_summaries(
    group: str, names: list[str], unusable: dict[str, str]
) -> Mapping[str, StepSummary]:
    if not names:
        return {}
    from curate.cli.list_steps import load_entries
    from curate.steps.registry import filter_class, scorer_class

    return load_entries(names, scorer_class if group == SCORERS else filter_class, unusable)
