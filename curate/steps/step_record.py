"""What a step says of its work, and the check of what it returns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from curate.steps.contracts import Column

CHANGES_PAIRS = "changes_pairs"
"""Fact of a filter that changes pairs, and does not only drop or weigh them."""


@dataclass(frozen=True)
class StepRecord:
    """What one step did.

    Attributes:
        name: of the step in this run.
        kind: "read", "embed", "score", "filter" or "write".
        rows_in: pairs that it was given.
        rows_out: pairs that go on.
        seconds: wall time.
        facts: what it found about the data set as a whole.
        warnings: what the user should know.
        alerts: warnings that are shown before all others.
    """

    name: str
    kind: str
    rows_in: int
    rows_out: int
    seconds: float
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()


def all_warnings(records: Iterable[StepRecord]) -> list[str]:
    """Alerts of all steps, then their other warnings, each text once."""
    steps = list(records)
    alerts = [text for step in steps for text in step.alerts]
    return list(dict.fromkeys([*alerts, *(text for step in steps for text in step.warnings)]))


def checked_columns(
    frame: pl.DataFrame, columns: tuple[Column, ...], rows: int, name: str
) -> pl.DataFrame:
    """A step's columns, checked against what it declared; NaN becomes null.

    Raises:
        RuntimeError: the step broke its contract, which is a bug of the step.
    """
    declared = [c.name for c in columns]
    if frame.columns != declared or len(frame) != rows:
        found = f"{frame.columns} with {len(frame)} rows"
        raise RuntimeError(f"step '{name}' declared {declared} for {rows} rows, returned {found}")
    floats = [c.name for c in columns if c.kind == "float"]
    # One by one: an expression on all would first bring columns of mapped files into one form.
    cast = (frame[c.name].cast(c.dtype) for c in columns)
    # A column without NaN stays where it lies.
    frame = pl.DataFrame(
        [s.fill_nan(None) if s.name in floats and s.is_nan().any() else s for s in cast]
    )
    silent = [c for c in floats if frame[c].null_count()]
    if silent and "status" not in declared:
        raise RuntimeError(f"step '{name}' left {silent} empty without a status column")
    return frame


def typed(frame: pl.DataFrame, columns: tuple[Column, ...], rows: int, name: str) -> pl.DataFrame:
    """`checked_columns` under the names of the run: `<step>.<metric>`."""
    checked = checked_columns(frame, columns, rows, name)
    return pl.DataFrame([column.alias(f"{name}.{column.name}") for column in checked])
