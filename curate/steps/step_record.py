"""What a step says of its work, and the check of what it returns."""

from __future__ import annotations

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
    """

    name: str
    kind: str
    rows_in: int
    rows_out: int
    seconds: float
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


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
    frame = frame.select(pl.col(c.name).cast(c.dtype) for c in columns)
    floats = [c.name for c in columns if c.kind == "float"]
    # A column without NaN stays where it lies, which may be a mapped file.
    holed = [c for c in floats if frame[c].is_nan().any()]
    frame = frame.with_columns(pl.col(holed).fill_nan(None)) if holed else frame
    silent = [c for c in floats if frame[c].null_count()]
    if silent and "status" not in declared:
        raise RuntimeError(f"step '{name}' left {silent} empty without a status column")
    return frame


def typed(frame: pl.DataFrame, columns: tuple[Column, ...], rows: int, name: str) -> pl.DataFrame:
    """`checked_columns` under the names of the run: `<step>.<metric>`."""
    checked = checked_columns(frame, columns, rows, name)
    return checked.rename({c: f"{name}.{c}" for c in checked.columns})
