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
from curate.data.table import DROP_CODE, DROP_REASON, DROP_STEP, MESSAGES
from curate.models.heads.noise.learnability import LEARNABILITY_FACT
from curate.pipeline.bias_watch import BiasWatch
from curate.pipeline.plan import EXTRA_PREFIX, FilterStep, Plan
from curate.pipeline.selection_bias import TrainingColumns, selection_bias
from curate.steps.context import Context
from curate.steps.contracts import FilterResult
from curate.steps.next_steps import judging_commands
from curate.steps.posterior import PosteriorParams
from curate.steps.step_record import CHANGES_PAIRS, StepRecord, typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_OTHER_INFORMATION = ("evidence", "judged_pairs", "pairs_with_other_votes")
"""Facts of a scorer that has more than heads to go by."""
_DROP_SCHEMA = {DROP_STEP: pl.String(), DROP_REASON: pl.String(), DROP_CODE: pl.String()}
OTHER_SOURCE = "other source"
"""Status of a pair on which a filter of another source does not act."""


@dataclass(frozen=True)
class Filtered:
    """All pairs after the filters, in their order.

    Attributes:
        frame: all pairs as read, with scores and the columns that filters added.
        left: the pairs that are left, as filters changed them, with the same columns.
        gone: row, drop_step, drop_reason and drop_code of the dropped pairs, by row.
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
        gone: row, drop_step, drop_reason and drop_code of the dropped pairs.
        added: row and the columns that it adds, of all pairs that reached it; None for none.
        report: of the step.
    """

    left: PairRows
    gone: pl.DataFrame
    added: pl.DataFrame | None
    report: StepRecord


def run_filters(
    plan: Plan, frame: pl.DataFrame, context: Context, records: Sequence[StepRecord] = ()
) -> Filtered:
    """Apply the plan's filters in order, each to what the earlier ones kept.

    Args:
        plan: of the run.
        frame: all pairs with their scores.
        context: of the run.
        records: of the steps before, which say what scorers learned.

    Raises:
        CurateError: length alone decides what a filter acts on, and the plan stops there.
    """
    left, room = PairRows.whole(with_extras(frame, plan.extras)), context.workspace
    schema = {ROW: pl.Int64(), **_DROP_SCHEMA}
    # A plan without filters drops nothing, and its table of drops has no frame to take types from.
    gone, reports = [pl.DataFrame(schema=schema)], list[StepRecord]()
    for step in plan.filters:
        watch = BiasWatch.of_step(plan, step, records)
        applied = _run_filter(watch, left, context)
        applied = _with_doubts(applied, watch, records)
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


def _run_filter(watch: BiasWatch, left: PairRows, context: Context) -> _Applied:
    """Apply a filter to the pairs that it is about; those of other sources are kept as they are."""
    step = watch.step
    if step.source is None:
        return _apply(watch, left, context)
    is_other = left.select(["source"])["source"].ne_missing(step.source).to_numpy()
    if not is_other.any():
        return _apply(watch, left, context)
    untouched, acting = left.where(is_other), left.where(~is_other)
    if len(acting):
        applied = _apply(watch, acting, context)
    else:
        nothing = pl.DataFrame(schema=_DROP_SCHEMA)
        record = StepRecord(step.name, "filter", 0, 0, 0.0)
        applied = _Applied(acting, acting.numbered(nothing), None, record)
    added = applied.added
    if step.filter.adds():
        neutral = untouched.numbered(_neutral_columns(step, len(untouched)))
        added = neutral if added is None else pl.concat([added, neutral])
    rows_out = applied.report.rows_out + len(untouched)
    report = replace(applied.report, rows_in=len(left), rows_out=rows_out)
    # Put back in their order: shards follow the input, whichever filter looked at what.
    return _Applied(applied.left.union(untouched), applied.gone, added, report)


def _with_doubts(applied: _Applied, watch: BiasWatch, records: Sequence[StepRecord]) -> _Applied:
    """A warning where a filter ranks by scores whose heads predict labels no better than chance.

    The filter acts all the same: what the user asked for is done. A filter by a posterior needs no
    warning, since a posterior that knows nothing is alike for all pairs.
    """
    names = {step.name for step in watch.learned}
    chance = [record.name for record in records if record.name in names and _is_chance(record)]
    if not chance or isinstance(watch.step.filter.params, PosteriorParams):
        return applied
    warning = (
        f"'{watch.step.name}' acts on scores of {', '.join(chance)}, whose probe models predict "
        "held-out labels no better than chance: it may act at random; judge 50 pairs to know "
        f"({judging_commands(watch.data).route})"
    )
    report = applied.report
    return replace(applied, report=replace(report, warnings=(*report.warnings, warning)))


def _is_chance(record: StepRecord) -> bool:
    """Whether a scorer's heads learned nothing, and nothing else spoke of the labels either."""
    informed = any(record.facts.get(key) for key in _OTHER_INFORMATION)
    return not (informed or record.facts.get(LEARNABILITY_FACT, {"ok": True})["ok"])


def _neutral_columns(step: FilterStep, pairs: int) -> pl.DataFrame:
    """What a filter adds to pairs on which it does not act."""
    columns = []
    for column in step.filter.adds():
        value: str | float | None = None
        if column.name == step.filter.weight:
            value = 1.0
        elif column.name == "status":
            value = OTHER_SOURCE
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


def _apply(watch: BiasWatch, left: PairRows, context: Context) -> _Applied:
    step = watch.step
    started, own, before = time.perf_counter(), context.for_step(), left
    with context.progress.task(step.name, None):
        keep, judged = _judged(step, left, own)
    left, kept = judged.left, judged.left.where(keep)
    alerts = _alerts(watch, before, kept, judged.added, keep, own)
    warnings = list(own.warnings)
    if len(left) and not len(kept):
        warnings.append(f"the filter '{step.name}' dropped every pair that reached it")
    seconds = time.perf_counter() - started
    report = StepRecord(
        step.name, "filter", len(left), len(kept), seconds, own.facts, tuple(warnings), alerts
    )
    return replace(judged, left=kept, report=report)


def _alerts(
    watch: BiasWatch,
    before: PairRows,
    kept: PairRows,
    added: pl.DataFrame | None,
    keep: NDArray[np.bool_],
    context: Context,
) -> tuple[str, ...]:
    """Measure what a filter by a score did to the preferred side, where it did anything."""
    step = watch.step
    weight, right = step.column(step.filter.weight), step.column(step.filter.label_probability)
    training = TrainingColumns(weight, right)
    acts = len(kept) < len(keep) or CHANGES_PAIRS in context.facts or training.names
    if not (acts and len(kept) and any("." in column for column in step.filter.reads())):
        return ()
    if training.names and added is not None:
        kept = kept.adding(added.select(training.names).filter(pl.Series(keep)))
    bias = selection_bias(before, kept, training, watch.posterior, watch.flip_rate)
    context.facts["bias"] = bias.to_json()
    return watch.alerts(bias)


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
    drops = _drop_columns(step, verdict, ~keep)
    # Stored at once: some reasons would hold the texts of all.
    gone = PairRows(left.table, left.rows[~keep], pl.DataFrame()).numbered(drops)
    gone = context.workspace.collect("dropped", iter([gone]))
    report = StepRecord(step.name, "filter", len(left), len(left), 0.0)
    return keep, _Applied(left, gone, added, report)


def _drop_columns(
    step: FilterStep, verdict: FilterResult, is_dropped: NDArray[np.bool_]
) -> pl.DataFrame:
    """Return drop_step, drop_reason and drop_code of the dropped pairs.

    Raises:
        RuntimeError: the filter gives a code that it does not declare.
    """
    declared = step.filter.all_drop_codes()
    reason = verdict.reason.cast(pl.String).filter(pl.Series(is_dropped))
    if verdict.code is None:
        code = pl.repeat(declared[0], len(reason), dtype=pl.String, eager=True)
    else:
        code = verdict.code.cast(pl.String).filter(pl.Series(is_dropped))
    unknown = sorted(set(code.unique().to_list()) - set(declared), key=str)
    if unknown:
        raise RuntimeError(f"step '{step.name}' gives codes {unknown}, declared are {declared}")
    name = pl.repeat(step.name, len(reason), dtype=pl.String, eager=True)
    return pl.DataFrame({DROP_STEP: name, DROP_REASON: reason, DROP_CODE: code})


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
