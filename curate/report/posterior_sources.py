"""What each source says of a label: the terms whose sum is the log odds of its posterior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from curate.report.run_view import POSTERIORS, RunView
from curate.steps.posterior import JUDGED

_EVIDENCE = "evidence_"
_WIDEST = 4.0
"""Nats that fill half of a bar: odds of 55 to 1."""
_SPOKEN = 0.05
"""Nats below which a source says nothing."""


@dataclass(frozen=True)
class PosteriorSource:
    """A term of a posterior.

    Attributes:
        name: the source, as a person calls it.
        nats: what it adds to the log odds that the label is right.
    """

    name: str
    nats: float

    @property
    def width(self) -> float:
        """Return the length of its bar, in percent of half the bar's width."""
        return round(100.0 * min(abs(self.nats) / _WIDEST, 1.0), 1)

    @property
    def verdict(self) -> str:
        """Return what it says of the label."""
        if abs(self.nats) < _SPOKEN:
            return "says nothing"
        return "for the label" if self.nats > 0 else "against it"


@dataclass(frozen=True)
class LabelSources:
    """The posterior of a label and its terms.

    Attributes:
        right: probability that the label is right, 0 to 1.
        is_reviewed: whether it is a reviewer's verdict.
        sources: the terms: the label itself, probe models, other votes, each source of evidence.
            They add up to the log odds, up to the average over what is not known.
    """

    right: float
    is_reviewed: bool
    sources: tuple[PosteriorSource, ...]


def label_sources(row: Mapping[str, object], view: RunView) -> LabelSources | None:
    """Return the posterior of a row of a view with its terms; None where the run has none.

    Args:
        row: a row of `view.frame`.
        view: the run.
    """
    column = next((name for name in POSTERIORS if name in row), "")
    name, right = column.rpartition(".")[0], row.get(column)
    if not isinstance(right, float):
        return None
    terms = [("the label itself", _label_nats(view, name))]
    terms += [("probe models", row.get(f"{name}.heads")), ("other votes", row.get(f"{name}.votes"))]
    terms += _evidence_terms(row, view, name)
    sources = tuple(PosteriorSource(n, v) for n, v in terms if isinstance(v, float))
    return LabelSources(right, row.get(f"{name}.status") == JUDGED, sources)


def _label_nats(view: RunView, scorer: str) -> object:
    facts = (step.facts.get("nats") for step in view.manifest.steps if step.name == scorer)
    nats = next(facts, None)
    return nats.get("label") if isinstance(nats, Mapping) else None


def _evidence_terms(
    row: Mapping[str, object], view: RunView, scorer: str
) -> list[tuple[str, object]]:
    """Return the sources of evidence: a column each, or the only one under its own name."""
    start = f"{scorer}.{_EVIDENCE}"
    columns = [name for name in row if name.startswith(start)]
    if columns:
        return [(name.removeprefix(start).replace("_", " "), row[name]) for name in columns]
    facts = (step.facts.get("evidence") for step in view.manifest.steps if step.name == scorer)
    sources = next(facts, None)
    if not isinstance(sources, list | tuple) or not sources:
        return []
    names = [str(s["name"]) for s in sources if isinstance(s, Mapping) and "name" in s]
    return [(", ".join(names) or "evidence", row.get(f"{scorer}.evidence"))]
