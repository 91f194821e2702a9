"""What is installed, by name, purpose and summary: no step is imported for it."""

from __future__ import annotations

from typing import Any

from curate.steps.brief import brief, names_in
from curate.steps.entries import (
    FILTERS,
    SCORERS,
    check_not_shadowed,
    filter_names,
    own_entry,
    scorer_names,
)

_FORMATS, _EXPORTS = "curate.read.formats", "curate.write.exports"


def brief_list() -> dict[str, Any]:
    """As `list_of_steps`, with purpose and summary alone; plug-ins have to be imported."""
    unusable: dict[str, str] = {}
    found: dict[str, Any] = {}
    kinds = (("scorers", SCORERS, scorer_names()), ("filters", FILTERS, filter_names()))
    for section, group, names in kinds:
        known = {name: _brief(group, name) for name in names}
        others = _plugged_in(section, [n for n, said in known.items() if said is None], unusable)
        found[section] = {n: known[n] or others[n] for n in names if known[n] or n in others}
    check_not_shadowed()
    places = {"formats": names_in(_FORMATS), "exports": names_in(_EXPORTS)}
    return found | places | {"unusable": unusable}


def _brief(group: str, name: str) -> dict[str, str] | None:
    entry = own_entry(group, name)
    return None if entry is None else brief(entry)


def _plugged_in(section: str, names: list[str], unusable: dict[str, str]) -> dict[str, Any]:
    if not names:
        return {}
    from curate.cli.list_steps import entries
    from curate.steps.registry import filter_class, scorer_class

    return entries(names, scorer_class if section == "scorers" else filter_class, unusable)
