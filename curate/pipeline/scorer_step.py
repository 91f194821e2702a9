"""A scorer of a plan, under the name that its columns carry, with the evidence that it takes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from curate.steps.contracts import Column, Scorer
from curate.steps.evidence_params import EvidenceColumn, EvidenceParameters

AUTO = "auto"
SCORE_GAP, STRENGTH = "score_gap", "strength"
FILE_COLUMNS = (SCORE_GAP, STRENGTH)
"""Margins of the file that evidence may name; `extra.x` and `extra.a - extra.b` are others."""
_KEY = r"extra\.\S+"
_EXTRA = re.compile(rf"({_KEY})(?:\s+-\s+({_KEY}))?")


@dataclass(frozen=True)
class ScorerStep:
    """A scorer under the name that its columns carry.

    Attributes:
        name: of its columns and reports.
        scorer: as configured.
        evidence: columns that it takes as evidence: of other scorers and, where it names them, of
            the file.
        file_scores: whether it also takes scores that the file holds, where there are any.
    """

    name: str
    scorer: Scorer[Any]
    evidence: tuple[EvidenceColumn, ...] = ()
    file_scores: bool = False

    def columns(self) -> tuple[Column, ...]:
        """The scorer's columns, named `<step>.<metric>`."""
        return prefixed(self.name, self.scorer.columns())

    @property
    def takes_evidence(self) -> bool:
        """Whether it reads `Context.evidence`, if only judged pairs."""
        return isinstance(self.scorer.params, EvidenceParameters)

    @property
    def scorer_evidence(self) -> tuple[EvidenceColumn, ...]:
        """The evidence that other scorers compute."""
        return tuple(e for e in self.evidence if not is_of_file(e.column))


def prefixed(name: str, columns: Iterable[Column]) -> tuple[Column, ...]:
    """The columns under the names that the run gives them."""
    return tuple(replace(c, name=f"{name}.{c.name}") for c in columns)


def extra_keys(column: str) -> tuple[str, ...] | None:
    """The keys of `extra` that `extra.x` or `extra.a - extra.b` names; None for another column.

    Examples:
        >>> extra_keys("extra.gpt4.margin")
        ('gpt4.margin',)
        >>> extra_keys("extra.a - extra.b")
        ('a', 'b')
        >>> extra_keys("judge.margin") is None
        True
    """
    match = _EXTRA.fullmatch(column.strip())
    return match and tuple(key.removeprefix("extra.") for key in match.groups() if key)


def is_of_file(column: str) -> bool:
    """Whether the column is one of the file, not of a scorer."""
    return column in FILE_COLUMNS or extra_keys(column) is not None
