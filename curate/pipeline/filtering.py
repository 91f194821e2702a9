"""Applies the filters of a plan, one after another."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.extra_column import extra_value
from curate.data.hashes import select_in_batches
from curate.data.memory import give_back
from curate.data.pair_rows import ROW, PairRows, over_all
from curate.data.row_parts import MEDIA
from curate.data.table import DROP_REASON, DROP_STEP, MESSAGES
from curate.models.heads.identification import NOTHING_LEARNT
from curate.pipeline.bias_watch import refuse_length_alone, watch
from curate.pipeline.plan import EXTRA_PREFIX, FilterStep, Plan
from curate.steps.context import Context
from curate.steps.contracts import FilterResult
from curate.steps.step_record import CHANGES_PAIRS, StepRecord, typed

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Filtered:
    """All pairs after the filters, in their order.

    Attributes:
        frame: all pairs as read, with scores and the columns that filters added.
        left: the pairs that are left, as filters changed them, with the same columns.
        gone: row, drop_step and drop_reason of the others, by row.
        reports: one for each filter.
    """

    frame: pl.DataFrame
    left: PairRows
    gone: pl.DataFrame
    reports: list[StepRecord]

    @property
    def dropped(self) -> NDArray[np.bool_]:
        """Whether a filter dropped each pair, (pairs,)."""
        found = np.zeros(len(self.frame), dtype=np.bool_)
        found[self.gone[ROW].to_numpy()] = True
        return found


@dataclass(frozen=True)
class _Applied:
    """What one filter did to the pairs that reached it.

    Attributes:
        left: the pairs that it kept.
        gone: row, drop_step and drop_reason of the others.
        added: row and the columns that it adds, of all pairs that reached it; None for none.
        report: of the step.
    """

    left: PairRows
    gone: pl.DataFrame
    added: pl.DataFrame | None
    report: StepRecord


def run_filters(plan: Plan, frame: pl.DataFrame, context: Context) -> Filtered:
    """Apply the plan's filters in order, each to what the earlier ones kept."""
    left, room = PairRows.whole(with_extras(frame, plan.extras)), context.workspace
    schema = {ROW: pl.Int64(), DROP_STEP: pl.String(), DROP_REASON: pl.String()}
    # A plan without filters drops nothing, and its table of drops has no frame to take types from.
    gone, reports = [pl.DataFrame(schema=schema)], list[StepRecord]()
    for step in plan.filters:
        applied = _run_filter(step, left, context, plan.accept_chance)
        # At once: what follows could take hours, and the user would not act on it.
        if not plan.accept_bias and (learned := plan.learned(step)):
            refuse_length_alone(step, learned, applied.report.facts)
        columns = pl.DataFrame()
        if applied.added is not None:
            columns = room.collect(step.name, over_all(applied.added, len(frame)))
            frame = frame.hstack(columns.get_columns())
        rows = room.kept("rows left", applied.left.rows)
        left = applied.left.with_table_columns(columns, rows)
        gone.append(applied.gone)
        reports.append(applied.report)
        give_back()
    return Filtered(
        frame, left, room.collect("dropped", iter([pl.concat(gone).sort(ROW)])), reports
    )


def _run_filter(step: FilterStep, left: PairRows, context: Context, chance: bool) -> _Applied:
    """Apply a filter to the pairs that it is about; the others are kept as is.

    Those are pairs of other sources, where it is a source's own, and pairs of which the scores that
    it reads tell nothing.
    """
    others = np.zeros(len(left), dtype=np.bool_)
    if step.source is not None:
        others = left.select(["source"])["source"].ne_missing(step.source).to_numpy()
    # Who accepts chance (accept_chance) wants the filter to act where heads learn nothing too.
    mute = _silent(step, left) & ~others & (not chance)
    if not (mute | others).any():
        return _apply(step, left, context)
    silent, acting = left.where(mute | others), left.where(~(mute | others))
    if len(acting):
        applied = _apply(step, acting, context)
    else:
        nothing = pl.DataFrame(schema={DROP_STEP: pl.String(), DROP_REASON: pl.String()})
        record = StepRecord(step.name, "filter", 0, 0, 0.0)
        applied = _Applied(acting, acting.numbered(nothing), None, record)
    added = applied.added
    if step.filter.adds():
        some = silent.numbered(_unknown(step, len(silent)))
        added = some if added is None else pl.concat([added, some])
    count = int(mute.sum())
    told = f"'{step.name}' keeps {count:,} of {len(left):,} pairs as is: {NOTHING_LEARNT}"
    report = replace(
        applied.report,
        rows_in=len(left),
        rows_out=applied.report.rows_out + len(silent),
        facts=applied.report.facts | ({"kept_as_is": count} if count else {}),
        warnings=(*([told] if count else ()), *applied.report.warnings),
    )
    # Put back in their order: shards follow the input, whichever filter looked at what.
    return _Applied(applied.left.union(silent), applied.gone, added, report)


def _silent(step: FilterStep, left: PairRows) -> NDArray[np.bool_]:
    """Whether the status of a score that the filter reads says that heads learn nothing."""
    scorers = {column.partition(".")[0] for column in step.filter.reads() if "." in column}
    known = [f"{name}.status" for name in sorted(scorers) if f"{name}.status" in left.columns]
    says = np.zeros(len(left), dtype=np.bool_)
    for column in left.select(known).get_columns():
        says |= column.eq_missing(NOTHING_LEARNT).to_numpy()
    return says


def _unknown(step: FilterStep, pairs: int) -> pl.DataFrame:
    """What a filter adds to pairs on which it does not act."""
    columns = []
    for column in step.filter.adds():
        value: str | float | None = None
        if column.name == step.filter.weight:
            value = 1.0
        elif column.name == "status":
            value = NOTHING_LEARNT
        name = f"{step.name}.{column.name}"
        columns.append(pl.repeat(value, pairs, dtype=column.dtype, eager=True).alias(name))
    return pl.DataFrame(columns)


def _verdict(step: FilterStep, left: PairRows, context: Context) -> FilterResult:
    """What the filter says of the pairs, of which it gets the columns that it declares.

    Raises:
        RuntimeError: a plug-in's mistake: it reads others, or judges other pairs.
    """
    reads = step.filter.reads()
    # Who looks at texts needs what belongs to them, such as tools and images.
    wide = any(left.table.schema.get(column) in (MESSAGES, MEDIA) for column in reads)
    own = [name for name in reads if name in left.columns]
    names = left.columns if wide else list(dict.fromkeys(("pair_id", *own)))
    try:
        verdict = step.filter.apply(left.select(names), context)
    except pl.exceptions.ColumnNotFoundError as error:
        told = f"step '{step.name}' reads a column that its reads() does not name: {error}"
        raise RuntimeError(told) from error
    if len(verdict.keep) != len(left) or len(verdict.reason) != len(left):
        raise RuntimeError(f"step '{step.name}' judged {len(verdict.keep)} of {len(left)} pairs")
    return verdict


def _apply(step: FilterStep, left: PairRows, context: Context) -> _Applied:
    started, own, before = time.perf_counter(), context.for_step(), left
    with context.progress.task(step.name, None):
        keep, judged = _judged(step, left, own)
    left, kept = judged.left, judged.left.where(keep)
    warnings, seen = list(own.warnings), kept
    weight = f"{step.name}.{step.filter.weight}" if step.filter.weight else None
    if weight is not None and judged.added is not None:
        seen = kept.adding(judged.added.select(weight).filter(pl.Series(keep)))
    acts = len(kept) < len(keep) or CHANGES_PAIRS in own.facts or weight is not None
    if acts and len(kept) and any("." in column for column in step.filter.reads()):
        facts, told = watch(before, seen, weight)
        own.facts.update(facts)
        warnings += [f"'{step.name}': {text}" for text in told]
    if len(left) and not len(kept):
        warnings.append(f"the filter '{step.name}' dropped every pair that reached it")
    seconds = time.perf_counter() - started
    report = StepRecord(
        step.name, "filter", len(left), len(kept), seconds, own.facts, tuple(warnings)
    )
    return replace(judged, left=kept, report=report)


def _judged(
    step: FilterStep, left: PairRows, context: Context
) -> tuple[NDArray[np.bool_], _Applied]:
    """Whether each pair is kept, and all pairs with what the filter says of them."""
    verdict = _verdict(step, left, context)
    # What it was found by is gone, and allocators would hold as much again beside what follows.
    give_back()
    keep = verdict.keep.fill_null(False).to_numpy()
    added = None
    if verdict.added is not None:
        columns = typed(verdict.added, step.filter.adds(), len(left), step.name)
        # Not among the columns of what is left, where they would be copied with it: they come
        # into the table of all pairs at once.
        added = left.numbered(columns)
    if verdict.changed is not None:
        left = left.adding(verdict.changed)
        context.facts[CHANGES_PAIRS] = True
    reason = verdict.reason.cast(pl.String).filter(pl.Series(~keep)).alias(DROP_REASON)
    said = pl.DataFrame([pl.repeat(step.name, len(reason), eager=True).alias(DROP_STEP), reason])
    # Elsewhere at once: some reasons would hold the texts of all.
    gone = PairRows(left.table, left.rows[~keep], pl.DataFrame()).numbered(said)
    gone = context.workspace.collect("dropped", iter([gone]))
    report = StepRecord(step.name, "filter", len(left), len(left), 0.0)
    return keep, _Applied(left, gone, added, report)


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
