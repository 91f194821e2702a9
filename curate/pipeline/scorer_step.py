"""A scorer of a plan, under the name that its columns carry, with the evidence that it takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from curate.data.file_margins import is_file_column
from curate.steps.contracts import Column, Scorer
from curate.steps.evidence_params import EvidenceColumn, EvidenceParameters

AUTO = "auto"


@dataclass(frozen=True)
class ScorerStep:
    """A scorer under the name that its columns carry.

    Attributes:
        name: prefix of its columns, and its name in reports.
        scorer: the configured scorer.
        evidence: columns that it takes as evidence: of other scorers and, where it names them, of
            the file.
        file_scores: whether it also takes scores that the file holds, where there are any.
    """

    name: str
    scorer: Scorer[Any]
    evidence: tuple[EvidenceColumn, ...] = ()
    file_scores: bool = False

    def columns(self) -> tuple[Column, ...]:
        """Return the scorer's columns, named `<step>.<metric>`."""
        return prefix_columns(self.name, self.scorer.columns())

    @property
    def takes_evidence(self) -> bool:
        """Return whether it reads `Context.evidence`, even if that is only reviewed pairs."""
        return isinstance(self.scorer.params, EvidenceParameters)

    @property
    def scorer_evidence(self) -> tuple[EvidenceColumn, ...]:
        """Return the evidence that other scorers compute."""
        return tuple(e for e in self.evidence if not is_file_column(e.column))


def prefix_columns(name: str, columns: Iterable[Column]) -> tuple[Column, ...]:
    """Return the columns under the names that the run gives them."""
    return tuple(replace(c, name=f"{name}.{c.name}") for c in columns)
