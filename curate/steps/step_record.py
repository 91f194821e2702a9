"""The record of a step's work, and checks of the columns it returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import polars as pl

from curate.data.json_types import Json, JsonObject
from curate.steps.contracts import Column

CHANGES_PAIRS, CACHED = "changes_pairs", "cached"
"""Facts of a filter that changes pairs, and does not only drop or weigh them; and of a step whose
results came from an earlier run."""
SINGLE_ANSWERS = "single_answers"
"""Fact of the reading: the rows hold one answer each."""


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
    steps = list(records)
    alerts = [text for step in steps for text in step.alerts]
    return list(dict.fromkeys([*alerts, *(text for step in steps for text in step.warnings)]))


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
