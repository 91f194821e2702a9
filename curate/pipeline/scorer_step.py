"""Scorers of a plan, what each takes as evidence of the labels, and the order in which they run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from curate.data.file_margins import FILE_COLUMNS, is_file_column
from curate.errors import CurateError, suggestion
from curate.steps.contracts import Column, Scorer
from curate.steps.evidence_params import (
    FILE_SOURCE,
    EvidenceColumn,
    EvidenceParameters,
    SourceColumns,
)

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


def with_evidence(scorers: Sequence[tuple[str, ScorerStep]]) -> tuple[ScorerStep, ...]:
    """Return the scorers with the evidence that each takes, in an order in which all of it is
    there.

    Args:
        scorers: place in the configuration and scorer, in the order of the configuration.

    Raises:
        CurateError: evidence that is unknown, that was learned from the labels, or a circle.
    """
    columns = {c.name: (step, c) for _, step in scorers for c in step.columns()}
    return _order_scorers(
        [(where, _resolve_evidence(where, step, columns)) for where, step in scorers]
    )


def _resolve_evidence(
    where: str, step: ScorerStep, columns: Mapping[str, tuple[ScorerStep, Column]]
) -> ScorerStep:
    if not isinstance(step.scorer.params, EvidenceParameters):
        return step
    setting = step.scorer.params.evidence
    if isinstance(setting, str):
        margins = [
            EvidenceColumn(column=name)
            for name, (scorer, column) in columns.items()
            # A scorer that fuses evidence itself would bring the same evidence in once more.
            if column.evidence == AUTO and not scorer.takes_evidence
        ]
        # Without other scorers the file can be the one source, which `evidence` holds.
        names = [*(m.column for m in margins), FILE_SOURCE] if margins else []
        return replace(_with_sources(step, names), evidence=tuple(margins), file_scores=True)
    names = [item.column for item in setting]
    for number, name in enumerate(names):
        item_location = f"{where}.evidence.{number}"
        if name in names[:number]:
            fix = "name each source once: duplicates would count twice"
            raise CurateError("duplicate evidence", where=item_location, found=name, fix=fix)
        if not is_file_column(name):
            _check_column(step, name, item_location, columns)
    return replace(_with_sources(step, names), evidence=setting)


def _with_sources(step: ScorerStep, names: Sequence[str]) -> ScorerStep:
    """Return the scorer with a column for each source, where it declares such columns."""
    scorer = step.scorer
    if not isinstance(scorer, SourceColumns):
        return step
    return replace(step, scorer=scorer.with_sources(names))


def _check_column(
    step: ScorerStep,
    name: str,
    where: str,
    columns: Mapping[str, tuple[ScorerStep, Column]],
) -> None:
    """Refuse a column that no scorer makes, or that is no evidence of labels."""
    usable = [c for c, (source_step, column) in columns.items() if column.evidence != "none"]
    if name not in columns:
        raise _unknown_evidence(name, where, [*usable, *FILE_COLUMNS])
    source_step, column = columns[name]
    expected = f"one of {', '.join((*usable, *FILE_COLUMNS))}, or a key extra.x"
    if source_step.name == step.name:
        problem = "a scorer can't take its own column as evidence"
        raise CurateError(problem, where=where, found=name, expected=expected)
    # It would count the label itself as a witness of the label.
    if source_step.scorer.learned or source_step.scorer.from_labels:
        raise CurateError(
            "the column was learned from the labels, so it can't be evidence of them",
            where=where,
            found=f"{name} of {source_step.scorer.name}, which is trained on this file's labels",
            expected=expected,
        )
    if column.evidence == "none":
        raise CurateError(
            "the column is not a preference margin",
            where=where,
            found=f"{name}: {column.meaning}",
            expected=f"a margin above 0 for the chosen answer, below 0 for the rejected one: "
            f"{expected}",
        )


def _unknown_evidence(name: str, where: str, valid: list[str]) -> CurateError:
    fix = f"{suggestion(name, valid)}; keys of extra are written extra.x"
    scorer = name.partition(".")[0]
    if "." in name and not any(column.startswith(f"{scorer}.") for column in valid):
        fix = f"add the scorer '{scorer}' under scorers; {fix}"
    return CurateError("evidence names an unknown column", where=where, found=repr(name), fix=fix)


def _order_scorers(scorers: list[tuple[str, ScorerStep]]) -> tuple[ScorerStep, ...]:
    """Return each scorer after those whose columns it reads, else in the order of the
    configuration.
    """
    names = {step.name for _, step in scorers}
    # The names of steps may hold dots, so that the longest one that fits is the column's.
    reads = {
        step.name: {_step_of_column(e.column, names) for e in step.scorer_evidence}
        for _, step in scorers
    }
    waiting, ordered = list(scorers), list[ScorerStep]()
    while waiting:
        done = {step.name for step in ordered}
        ready = next((item for item in waiting if reads[item[1].name] <= done), None)
        if ready is None:
            raise CurateError(
                "circular evidence: scorers read each other's columns",
                where=waiting[0][0],
                found=" -> ".join(_find_circle(waiting[0][1].name, reads)),
                fix="remove the evidence from one of them",
            )
        waiting.remove(ready)
        ordered.append(ready[1])
    return tuple(ordered)


def _step_of_column(column: str, names: set[str]) -> str:
    # `judge.margin` belongs to a step called `judge`, `judge.a.margin` to one called `judge.a`.
    return max((name for name in names if column.startswith(f"{name}.")), key=len)


def _find_circle(start: str, reads: Mapping[str, set[str]]) -> list[str]:
    """Return the names of a circle, its first one again at the end."""
    path = [start]
    while path[-1] not in path[:-1]:
        ahead = sorted(reads[path[-1]])
        # A scorer that reads nothing is on no circle.
        path.append(next((name for name in ahead if reads[name]), ahead[0]))
    return path[path.index(path[-1]) :]
