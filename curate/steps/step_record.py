"""The record of a step's work, and checks of the columns it returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import polars as pl

from curate.data.json_types import Json, JsonObject
from curate.steps.contracts import Column
from curate.steps.findings import LearnabilityVerdict, PosteriorBasis, read_fact

CHANGES_PAIRS, CACHED = "changes_pairs", "cached"
"""Facts of a filter that changes pairs, and does not only drop or weigh them; and of a step whose
results came from an earlier run."""
SINGLE_ANSWERS = "single_answers"
"""Fact of the reading: the rows hold one answer each."""
MERGED, FLIPPED_LABELS = "merged", "flipped"
"""Facts of a filter: pairs that became part of another pair, and labels that it flipped."""


@dataclass(frozen=True)
class StepRecord:
    """The record of one step.

    Attributes:
        name: name of the step in this run.
        kind: "read", "embed", "score", "filter" or "write".
        rows_in: number of pairs that it received.
        rows_out: number of pairs that it kept.
        seconds: wall time.
        facts: facts about the whole dataset, as plain data; classes of `curate.steps.findings`
            read what others need of them.
        warnings: warnings for the user.
        alerts: warnings to show first.
    """

    name: str
    kind: str
    rows_in: int
    rows_out: int
    seconds: float
    facts: Mapping[str, Json] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()

    @property
    def cached(self) -> bool:
        """Return whether the results came from an earlier run."""
        return bool(self.facts.get(CACHED))

    @property
    def changes_pairs(self) -> bool:
        """Return whether a filter changed pairs, and did not only drop or weigh them."""
        return bool(self.facts.get(CHANGES_PAIRS))

    @property
    def pairs_merged(self) -> int:
        """Return how many pairs became part of another pair, and are not lost."""
        return read_fact(int, self.facts, MERGED) or 0

    @property
    def pairs_dropped(self) -> int:
        """Return how many pairs the step dropped, without the merged ones."""
        return self.rows_in - self.rows_out - self.pairs_merged

    @property
    def labels_flipped(self) -> int:
        """Return how many labels the step flipped."""
        return read_fact(int, self.facts, FLIPPED_LABELS) or 0

    @property
    def knows_labels(self) -> bool:
        """Return whether the step says by more than chance how likely each label is wrong."""
        basis = PosteriorBasis.from_facts(self.facts)
        learnability = LearnabilityVerdict.from_facts(self.facts)
        has_posterior = basis.flip_rate is not None
        return basis.is_informed or (has_posterior and learnability is not None and learnability.ok)

    @property
    def model(self) -> str | None:
        """Return the name of the model that the step used, if it used one."""
        model = self.facts.get("model")
        return model if isinstance(model, str) else None

    def to_json(self) -> JsonObject:
        """Return the record as plain data for the manifest."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StepRecord:
        """Return the record of a manifest; records of older versions have no alerts."""
        values = {f.name: data[f.name] for f in fields(cls) if f.name in data}
        texts = {name: tuple(data.get(name, ())) for name in ("warnings", "alerts")}
        return cls(**values | texts)


def all_warnings(records: Iterable[StepRecord]) -> list[str]:
    """Return the alerts of all steps, then their other warnings, without duplicates."""
    groups = warnings_by_step(records)
    return [text for kind in range(2) for _, *texts in groups for text in texts[kind]]


def warnings_by_step(
    records: Iterable[StepRecord],
) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Return name, alerts and other warnings of each step that has any; no text stands twice.

    That the probe models of a scorer learn nothing is left out where another scorer says how
    likely each label is wrong, by evidence, reviewed pairs, votes or probe models that do learn.
    """
    steps = list(records)
    is_known = any(step.knows_labels for step in steps)
    groups, used = [], set[str]()
    for step in steps:
        learnability = LearnabilityVerdict.from_facts(step.facts)
        moot = {learnability.warning} if is_known and learnability is not None else set()
        kinds = []
        for texts in (step.alerts, step.warnings):
            new = dict.fromkeys(text for text in texts if text not in used | moot)
            used.update(new)
            kinds.append(tuple(new))
        if any(kinds):
            groups.append((step.name, kinds[0], kinds[1]))
    return groups


def check_columns(
    frame: pl.DataFrame, columns: tuple[Column, ...], rows: int, name: str
) -> pl.DataFrame:
    """Return a step's columns, checked against its declaration; NaN becomes null.

    Raises:
        RuntimeError: the step broke its contract, which is a bug of the step.
    """
    declared = [c.name for c in columns]
    if frame.columns != declared or len(frame) != rows:
        returned = f"{frame.columns} with {len(frame)} rows"
        raise RuntimeError(
            f"step '{name}' declared {declared} for {rows} rows, returned {returned}"
        )
    floats = [c.name for c in columns if c.kind == "float"]
    # One by one: an expression on all would first bring columns of mapped files into one form.
    typed_columns = (frame[c.name].cast(c.dtype) for c in columns)
    # A column without NaN stays where it lies.
    frame = pl.DataFrame(
        [s.fill_nan(None) if s.name in floats and s.is_nan().any() else s for s in typed_columns]
    )
    unexplained = [c for c in floats if frame[c].null_count()]
    if unexplained and "status" not in declared:
        raise RuntimeError(f"step '{name}' left {unexplained} empty without a status column")
    return frame


def qualify_columns(
    frame: pl.DataFrame, columns: tuple[Column, ...], rows: int, name: str
) -> pl.DataFrame:
    """Return `check_columns` renamed to `<step>.<metric>`."""
    checked = check_columns(frame, columns, rows, name)
    return pl.DataFrame([column.alias(f"{name}.{column.name}") for column in checked])
