"""Runs scorers and filters in this process."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from curate.config import PipelineConfig
from curate.context import Context, batches
from curate.plan import EXTRA_PREFIX, FilterStep, Plan, ScorerStep
from curate.score_cache import ScoreCache
from curate.steps import Column

ROW_BATCH = 4096
DROP_STEP, DROP_REASON = "drop_step", "drop_reason"


@dataclass(frozen=True)
class StepReport:
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


def run_scorer(
    step: ScorerStep, pairs: pl.DataFrame, context: Context, cache: ScoreCache | None = None
) -> tuple[pl.DataFrame, StepReport]:
    """The scorer's columns, named and typed as declared, and its report."""
    started, own = time.perf_counter(), context.for_step()
    cache = cache or ScoreCache(None, pairs, PipelineConfig())
    key = cache.key(step, context.device)
    frame = cache.get(key, own)
    if frame is not None:
        own.facts["cached"] = True
    else:
        if step.scorer.needs_embeddings:
            _ = context.features  # embedded here, so that the time is not the scorer's
            started = time.perf_counter()
        frame = _scored(step, pairs, own)
        cache.put(key, frame, own)
    frame = _typed(frame, step.scorer.columns(), len(pairs), step.name)
    seconds = time.perf_counter() - started
    report = StepReport(
        step.name, "score", len(pairs), len(pairs), seconds, own.facts, tuple(own.warnings)
    )
    return frame, report


def _scored(step: ScorerStep, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
    """What the scorer returns, a batch at a time where it sees rows alone."""
    if step.scorer.scope == "row":
        parts = []
        with context.progress.task(step.name, len(pairs)) as task:
            for rows in batches(len(pairs), ROW_BATCH):
                parts.append(step.scorer.score(pairs[rows], context))
                task.advance(rows.stop - rows.start)
        return pl.concat(parts)
    with context.progress.task(step.name, None):
        return step.scorer.score(pairs, context)


def _typed(frame: pl.DataFrame, columns: tuple[Column, ...], rows: int, name: str) -> pl.DataFrame:
    """A step's columns, checked against what it declared and named by it; NaN becomes null.

    Raises:
        RuntimeError: the step broke its contract, which is a bug of the step.
    """
    declared = [c.name for c in columns]
    if frame.columns != declared or len(frame) != rows:
        found = f"{frame.columns} with {len(frame)} rows"
        raise RuntimeError(f"step '{name}' declared {declared} for {rows} rows, returned {found}")
    frame = frame.select(pl.col(c.name).cast(c.dtype) for c in columns)
    floats = [c.name for c in columns if c.kind == "float"]
    frame = frame.with_columns(pl.col(floats).fill_nan(None)) if floats else frame
    silent = [c for c in floats if frame[c].null_count()]
    if silent and "status" not in declared:
        raise RuntimeError(f"step '{name}' left {silent} empty without a status column")
    return frame.rename({c: f"{name}.{c}" for c in declared})


@dataclass(frozen=True)
class Filtered:
    """All pairs after the filters, in their order.

    Attributes:
        frame: all pairs as read, with scores and the columns that filters added.
        kept: the pairs that are left, as filters changed them, with the same columns.
        drop_step: name of the filter that dropped the pair, null where it was kept; (pairs,).
        drop_reason: why; (pairs,).
        reports: one for each filter.
    """

    frame: pl.DataFrame
    kept: pl.DataFrame
    drop_step: pl.Series
    drop_reason: pl.Series
    reports: list[StepReport]


def run_filters(plan: Plan, frame: pl.DataFrame, context: Context) -> Filtered:
    """Apply the plan's filters in order, each to what the earlier ones kept."""
    index = "__index__"
    total = len(frame)
    left = with_extras(frame, plan.extras).with_row_index(index)
    dropped, added, reports = [], [], []
    for step in plan.filters:
        left, gone, extra, report = _run_filter(step, left, index, context)
        dropped.append(gone)
        reports.append(report)
        if extra is not None:
            added.append(extra)
    schema = {index: pl.get_index_type(), DROP_STEP: pl.String(), DROP_REASON: pl.String()}
    drops = pl.concat([pl.DataFrame(schema=schema), *dropped])
    numbered = pl.DataFrame({index: pl.int_range(total, dtype=pl.get_index_type(), eager=True)})
    fate = numbered.join(drops, on=index, how="left", maintain_order="left")
    for columns in added:
        frame = pl.concat(
            [
                frame,
                numbered.join(columns, on=index, how="left", maintain_order="left").drop(index),
            ],
            how="horizontal",
        )
    return Filtered(frame, left.drop(index), fate[DROP_STEP], fate[DROP_REASON], reports)


def _run_filter(
    step: FilterStep, left: pl.DataFrame, index: str, context: Context
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame | None, StepReport]:
    started, own = time.perf_counter(), context.for_step()
    with context.progress.task(step.name, None):
        verdict = step.filter.apply(left.drop(index), own)
    keep = verdict.keep.fill_null(False)
    if len(keep) != len(left) or len(verdict.reason) != len(left):
        raise RuntimeError(f"step '{step.name}' judged {len(keep)} of {len(left)} pairs")
    added = None
    if verdict.added is not None:
        added = _typed(verdict.added, step.filter.adds(), len(left), step.name)
        left = pl.concat([left, added], how="horizontal")
        added = pl.concat([left.select(index), added], how="horizontal")
    if verdict.changed is not None:
        left = left.with_columns(verdict.changed)
    gone = left.with_columns(
        pl.lit(step.name).alias(DROP_STEP), verdict.reason.cast(pl.String).alias(DROP_REASON)
    )
    gone = gone.filter(~keep).select(index, DROP_STEP, DROP_REASON)
    kept = left.filter(keep)
    warnings = list(own.warnings)
    if len(left) and not len(kept):
        warnings.append(f"the filter '{step.name}' dropped every pair that reached it")
    seconds = time.perf_counter() - started
    report = StepReport(
        step.name, "filter", len(left), len(kept), seconds, own.facts, tuple(warnings)
    )
    return kept, gone, added, report


def with_extras(frame: pl.DataFrame, keys: tuple[str, ...]) -> pl.DataFrame:
    """Columns `extra.<key>`: the key's value of each row, as number where all are, else as text."""
    for key in keys:
        value = frame.select(pl.col("extra").str.json_path_match(f"$['{key}']")).to_series()
        number = value.cast(pl.Float64, strict=False)
        kept = number if number.null_count() == value.null_count() else value
        frame = frame.with_columns(kept.alias(EXTRA_PREFIX + key))
    return frame
