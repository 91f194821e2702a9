"""Applies the filters of a plan, one after another."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import polars as pl

from curate.data.extra_column import extra_value
from curate.data.hashes import select_in_batches
from curate.data.table import DROP_REASON, DROP_STEP
from curate.models.heads.identification import NOTHING_LEARNT
from curate.pipeline.bias_watch import refuse_length_alone, watch
from curate.pipeline.plan import EXTRA_PREFIX, FilterStep, Plan
from curate.steps.context import Context
from curate.steps.contracts import Column
from curate.steps.step_record import CHANGES_PAIRS, StepRecord, typed


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
    reports: list[StepRecord]


def run_filters(plan: Plan, frame: pl.DataFrame, context: Context) -> Filtered:
    """Apply the plan's filters in order, each to what the earlier ones kept."""
    index = "__index__"
    total = len(frame)
    left = with_extras(frame, plan.extras).with_row_index(index)
    dropped, added, reports = [], [], []
    for step in plan.filters:
        left, gone, extra, report = _run_filter(step, left, index, context, plan.accept_chance)
        # At once: what follows could take hours, and the user would not act on it.
        if not plan.accept_bias and (learned := plan.learned(step)):
            refuse_length_alone(step, learned, report.facts)
        dropped.append(gone)
        reports.append(report)
        if extra is not None:
            added.append(extra)
    # A plan without filters drops nothing, and its table of drops has no frame to take types from.
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
    step: FilterStep, left: pl.DataFrame, index: str, context: Context, chance: bool
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame | None, StepRecord]:
    """Apply a filter to the pairs that it is about; the others are kept as is.

    Those are pairs of other sources, where it is a source's own, and pairs of which the scores that
    it reads tell nothing.
    """
    others = pl.repeat(False, len(left), eager=True)
    if step.source is not None:
        others = left["source"].ne_missing(step.source)
    mute = _silent(step, left) & ~others & (not chance)
    silent = left.filter(mute | others)
    if silent.is_empty():
        return _apply(step, left, index, context)
    count = int(mute.sum())
    told = f"'{step.name}' keeps {count:,} of {len(left):,} pairs as is: {NOTHING_LEARNT}"
    acting = left.join(silent.select(index), on=index, how="anti", maintain_order="left")
    columns = step.filter.adds()
    if acting.is_empty():
        record = StepRecord(step.name, "filter", 0, 0, 0.0)
        kept, gone, added = acting, acting.select(index), None
        gone = gone.with_columns(pl.lit(None, pl.String).alias(c) for c in (DROP_STEP, DROP_REASON))
    else:
        kept, gone, added, record = _apply(step, acting, index, context)
    if columns:
        unknown = [_unknown(step, c) for c in columns]
        silent = silent.with_columns(unknown)
        some = silent.select(index, *(u.meta.output_name() for u in unknown))
        added = some if added is None else pl.concat([added, some])
    # Pairs on which the filter does not act keep their place.
    kept = pl.concat([kept, silent], how="diagonal").sort(index)
    record = replace(
        record,
        rows_in=len(left),
        rows_out=record.rows_out + len(silent),
        facts=record.facts | ({"kept_as_is": count} if count else {}),
        warnings=(*([told] if count else ()), *record.warnings),
    )
    return kept, gone, added, record


def _silent(step: FilterStep, left: pl.DataFrame) -> pl.Series:
    """Whether the status of a score that the filter reads says that heads learn nothing."""
    scorers = {column.partition(".")[0] for column in step.filter.reads() if "." in column}
    known = [f"{name}.status" for name in sorted(scorers) if f"{name}.status" in left.columns]
    says = pl.any_horizontal(pl.lit(False), *(pl.col(c).eq_missing(NOTHING_LEARNT) for c in known))
    return left.select(s=pl.repeat(False, pl.len()) | says)["s"]


def _unknown(step: FilterStep, column: Column) -> pl.Expr:
    """What a filter adds to pairs on which it does not act."""
    value: str | float | None = None
    if column.name == step.filter.weight:
        value = 1.0
    elif column.name == "status":
        value = NOTHING_LEARNT
    return pl.lit(value, dtype=column.dtype).alias(f"{step.name}.{column.name}")


def _apply(
    step: FilterStep, left: pl.DataFrame, index: str, context: Context
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame | None, StepRecord]:
    started, own, before = time.perf_counter(), context.for_step(), left
    with context.progress.task(step.name, None):
        verdict = step.filter.apply(left.drop(index), own)
    keep = verdict.keep.fill_null(False)
    # A plug-in's mistake: pairs would be lost or mixed up without a word.
    if len(keep) != len(left) or len(verdict.reason) != len(left):
        raise RuntimeError(f"step '{step.name}' judged {len(keep)} of {len(left)} pairs")
    added = None
    if verdict.added is not None:
        added = typed(verdict.added, step.filter.adds(), len(left), step.name)
        left = pl.concat([left, added], how="horizontal")
        added = pl.concat([left.select(index), added], how="horizontal")
    if verdict.changed is not None:
        left = left.with_columns(verdict.changed)
        own.facts[CHANGES_PAIRS] = True
    gone = left[[index]].with_columns(
        pl.lit(step.name).alias(DROP_STEP), verdict.reason.cast(pl.String).alias(DROP_REASON)
    )
    gone = gone.filter(~keep)
    # A copy of some hundred bytes a pair, which a filter that drops nothing need not make.
    kept = left if keep.all() else left.filter(keep)
    warnings = list(own.warnings)
    weight = f"{step.name}.{step.filter.weight}" if step.filter.weight else None
    acts = len(kept) < len(keep) or verdict.changed is not None or weight is not None
    if acts and len(kept) and any("." in column for column in step.filter.reads()):
        facts, told = watch(before, kept, index, weight)
        own.facts.update(facts)
        warnings += [f"'{step.name}': {text}" for text in told]
    if len(left) and not len(kept):
        warnings.append(f"the filter '{step.name}' dropped every pair that reached it")
    seconds = time.perf_counter() - started
    report = StepRecord(
        step.name, "filter", len(left), len(kept), seconds, own.facts, tuple(warnings)
    )
    return kept, gone, added, report


def with_extras(frame: pl.DataFrame, keys: tuple[str, ...]) -> pl.DataFrame:
    """Columns `extra.<key>`: the key's value of each row, as number where all are, else as text."""
    for key in keys:
        value = select_in_batches(frame, value=extra_value(key))["value"]
        # One value that is no number makes the key a text: a threshold on it then fails and says
        # so.
        number = value.cast(pl.Float64, strict=False)
        kept = number if number.null_count() == value.null_count() else value
        frame = frame.with_columns(kept.alias(EXTRA_PREFIX + key))
    return frame
