"""Applies the filters of a plan, one after another."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.attachments import MEDIA
from curate.data.process import release_free_memory
from curate.data.row_selection import ROW_NUMBER, RowSelection, expand_to_all_rows
from curate.data.table import DROP_CODE, DROP_REASON, DROP_STEP, MESSAGES, PAIR_COLUMNS
from curate.pipeline.bias_watch import BiasWatch
from curate.pipeline.extra_columns import with_extras
from curate.pipeline.plan import FilterStep, PipelinePlan
from curate.pipeline.selection_bias import TrainingColumns, selection_bias
from curate.steps.context import Context
from curate.steps.contracts import FilterResult
from curate.steps.findings import LearnabilityVerdict, PosteriorBasis
from curate.steps.next_steps import judging_commands
from curate.steps.posterior import PosteriorParams
from curate.steps.step_record import CHANGES_PAIRS, StepRecord, qualify_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_DROP_SCHEMA = {DROP_STEP: pl.String(), DROP_REASON: pl.String(), DROP_CODE: pl.String()}
OTHER_SOURCE = "other source"
"""Status of a pair on which a filter of another source does not act."""


@dataclass(frozen=True)
class Filtered:
    """All pairs after the filters, in their order.

    Attributes:
        frame: all pairs as read, with scores and the columns that filters added.
        kept_pairs: the pairs that are left, as filters changed them, with the same columns.
        drops: row, drop_step, drop_reason and drop_code of the dropped pairs, by row.
        reports: one for each filter.
    """

    frame: pl.DataFrame
    kept_pairs: RowSelection
    drops: pl.DataFrame
    reports: list[StepRecord]

    @property
    def dropped(self) -> NDArray[np.bool_]:
        """Return whether a filter dropped each pair, (pairs,)."""
        dropped_mask = np.zeros(len(self.frame), dtype=np.bool_)
        dropped_mask[self.drops[ROW_NUMBER].to_numpy()] = True
        return dropped_mask


@dataclass(frozen=True)
class _FilterOutcome:
    """What one filter did to the pairs that reached it.

    Attributes:
        kept_pairs: the pairs that it kept.
        drops: row, drop_step, drop_reason and drop_code of the dropped pairs.
        added: row and the columns that it adds, of all pairs that reached it; None for none.
        report: the record of the step.
    """

    kept_pairs: RowSelection
    drops: pl.DataFrame
    added: pl.DataFrame | None
    report: StepRecord


def run_filters(
    plan: PipelinePlan, frame: pl.DataFrame, context: Context, records: Sequence[StepRecord] = ()
) -> Filtered:
    """Apply the plan's filters in order, each to what the earlier ones kept.

    Args:
        plan: the plan of the run.
        frame: all pairs with their scores.
        context: the run's context.
        records: records of the earlier steps, which say what scorers learned.

    Raises:
        CurateError: length alone decides what a filter acts on, and the plan stops there.
    """
    kept_pairs, scratch = RowSelection.from_table(with_extras(frame, plan.extras)), context.scratch
    schema = {ROW_NUMBER: pl.Int64(), **_DROP_SCHEMA}
    # A plan without filters drops nothing, and its table of drops has no frame to take types from.
    drops, reports = [pl.DataFrame(schema=schema)], list[StepRecord]()
    for step in plan.filters:
        watch = BiasWatch.of_step(plan, step, records)
        applied = _run_filter(watch, kept_pairs, context)
        applied = _add_chance_warning(applied, watch, records)
        columns = pl.DataFrame()
        if applied.added is not None:
            columns = scratch.collect(step.name, expand_to_all_rows(applied.added, len(frame)))
            frame = frame.hstack(columns.get_columns())
        rows = scratch.persist_array("rows left", applied.kept_pairs.rows)
        kept_pairs = applied.kept_pairs.with_table_columns(columns, rows)
        drops.append(applied.drops)
        reports.append(applied.report)
        release_free_memory()
    return Filtered(
        frame,
        kept_pairs,
        scratch.collect("dropped", iter([pl.concat(drops).sort(ROW_NUMBER)])),
        reports,
    )


def _run_filter(watch: BiasWatch, input_pairs: RowSelection, context: Context) -> _FilterOutcome:
    """Apply a filter to the pairs that it is about; those of other sources are kept as they are."""
    step = watch.step
    if step.source is None:
        return _apply_filter(watch, input_pairs, context)
    is_other = input_pairs.select(["source"])["source"].ne_missing(step.source).to_numpy()
    if not is_other.any():
        return _apply_filter(watch, input_pairs, context)
    untouched, acting = input_pairs.where(is_other), input_pairs.where(~is_other)
    if len(acting):
        applied = _apply_filter(watch, acting, context)
    else:
        nothing = pl.DataFrame(schema=_DROP_SCHEMA)
        record = StepRecord(step.name, "filter", 0, 0, 0.0)
        applied = _FilterOutcome(acting, acting.with_row_numbers(nothing), None, record)
    added = applied.added
    if step.filter.adds():
        neutral = untouched.with_row_numbers(_neutral_columns(step, len(untouched)))
        added = neutral if added is None else pl.concat([added, neutral])
    rows_out = applied.report.rows_out + len(untouched)
    report = replace(applied.report, rows_in=len(input_pairs), rows_out=rows_out)
    # Put back in their order: shards follow the input, whichever filter looked at what.
    return _FilterOutcome(applied.kept_pairs.union(untouched), applied.drops, added, report)


def _add_chance_warning(
    applied: _FilterOutcome, watch: BiasWatch, records: Sequence[StepRecord]
) -> _FilterOutcome:
    """Return the outcome, with a warning if the filter ranks by scores that may be chance.

    They may be if the heads behind them predict held-out labels no better than chance.

    The filter acts all the same: what the user asked for is done. A filter by a posterior needs no
    warning, since a posterior that knows nothing is alike for all pairs.
    """
    names = {step.name for step in watch.learned}
    chance = [record.name for record in records if record.name in names and _is_chance(record)]
    # A posterior is near one half where nothing was learned, so filters by it hardly act.
    if not chance or isinstance(watch.step.filter.params, PosteriorParams):
        return applied
    warning = (
        f"'{watch.step.name}' acts on scores of {', '.join(chance)}, whose probe models predict "
        "held-out labels no better than chance: the filter may act at random; review 50 pairs to "
        f"find out ({judging_commands(watch.data).route})"
    )
    report = applied.report
    return replace(applied, report=replace(report, warnings=(*report.warnings, warning)))


def _is_chance(record: StepRecord) -> bool:
    """Return whether a scorer's heads learned nothing, and nothing else spoke of the labels
    either.
    """
    learnability = LearnabilityVerdict.from_facts(record.facts)
    basis = PosteriorBasis.from_facts(record.facts)
    if learnability is None or basis.is_informed or basis.pairs_with_other_votes:
        return False
    return not learnability.ok


def _neutral_columns(step: FilterStep, pairs: int) -> pl.DataFrame:
    """Return what a filter adds to pairs on which it does not act."""
    columns = []
    for column in step.filter.adds():
        value: str | float | None = None
        if column.name == step.filter.weight:
            # On average a weight is 1: a pair on which the filter does not act counts as usual.
            value = 1.0
        elif column.name == "status":
            value = OTHER_SOURCE
        name = f"{step.name}.{column.name}"
        columns.append(pl.repeat(value, pairs, dtype=column.dtype, eager=True).alias(name))
    return pl.DataFrame(columns)


def _filter_verdict(step: FilterStep, input_pairs: RowSelection, context: Context) -> FilterResult:
    """Return the filter's verdict on the pairs. It gets only the columns that it declares.

    Raises:
        RuntimeError: a plug-in reads other columns, or returns verdicts on other pairs.
    """
    reads = step.filter.reads()
    # Who looks at texts needs what belongs to them, such as tools and images.
    wide = any(input_pairs.table.schema.get(column) in (MESSAGES, MEDIA) for column in reads)
    present = [name for name in reads if name in input_pairs.columns]
    names = input_pairs.columns if wide else list(dict.fromkeys(("pair_id", *present)))
    pairs = input_pairs.select(names)
    texts = None if wide else partial(input_pairs.select, list(PAIR_COLUMNS))
    try:
        verdict = step.filter.apply(pairs, context.on_pairs(pairs, texts))
    except pl.exceptions.ColumnNotFoundError as error:
        problem = f"step '{step.name}' reads a column that its reads() does not name: {error}"
        # A mistake of the filter's author, not of the user: no CurateError.
        raise RuntimeError(problem) from error
    if len(verdict.keep) != len(input_pairs) or len(verdict.reason) != len(input_pairs):
        raise RuntimeError(
            f"step '{step.name}' returned {len(verdict.keep)} verdicts for {len(input_pairs)} pairs"
        )
    return verdict


def _apply_filter(watch: BiasWatch, input_pairs: RowSelection, context: Context) -> _FilterOutcome:
    step = watch.step
    started, step_context = time.perf_counter(), context.for_step()
    with context.progress.task(step.name, None):
        keep, outcome = _judge_pairs(step, input_pairs, step_context)
    kept_pairs = outcome.kept_pairs.where(keep)
    alerts = _bias_alerts(watch, input_pairs, kept_pairs, outcome.added, keep, step_context)
    warnings = list(step_context.warnings)
    if len(input_pairs) and not len(kept_pairs):
        warnings.append(f"the filter '{step.name}' dropped every pair that reached it")
    seconds = time.perf_counter() - started
    counts = (len(input_pairs), len(kept_pairs))
    facts = step_context.facts
    report = StepRecord(step.name, "filter", *counts, seconds, facts, tuple(warnings), alerts)
    return replace(outcome, kept_pairs=kept_pairs, report=report)


def _bias_alerts(
    watch: BiasWatch,
    input_pairs: RowSelection,
    kept_pairs: RowSelection,
    added: pl.DataFrame | None,
    keep: NDArray[np.bool_],
    context: Context,
) -> tuple[str, ...]:
    """Measure what a filter by a score did to the preferred side, where it did anything."""
    step = watch.step
    weight, right = step.column(step.filter.weight), step.column(step.filter.label_probability)
    training = TrainingColumns(weight, right)
    acts = len(kept_pairs) < len(keep) or CHANGES_PAIRS in context.facts or training.names
    if not (acts and len(kept_pairs) and any("." in column for column in step.filter.reads())):
        return ()
    if training.names and added is not None:
        kept_pairs = kept_pairs.with_columns(added.select(training.names).filter(pl.Series(keep)))
    bias = selection_bias(input_pairs, kept_pairs, training, watch.posterior, watch.flip_rate)
    context.facts.update(bias.to_facts())
    return watch.alerts(bias)


def _judge_pairs(
    step: FilterStep, input_pairs: RowSelection, context: Context
) -> tuple[NDArray[np.bool_], _FilterOutcome]:
    """Return whether each pair is kept, and all pairs with what the filter says of them."""
    verdict = _filter_verdict(step, input_pairs, context)
    # The filter's temporary arrays are free now; without this, allocators would keep their memory.
    release_free_memory()
    # An undecided pair is dropped, where its reason shows; kept, it would go unnoticed.
    keep = verdict.keep.fill_null(False).to_numpy()
    added = None
    if verdict.added is not None:
        columns = qualify_columns(verdict.added, step.filter.adds(), len(input_pairs), step.name)
        # Not among the columns of what is left, where they would be copied with it: they come
        # into the table of all pairs at once.
        added = input_pairs.with_row_numbers(columns)
    if verdict.changed is not None:
        input_pairs = input_pairs.with_columns(verdict.changed)
        context.facts[CHANGES_PAIRS] = True
    drops = _drop_columns(step, verdict, ~keep)
    # Stored at once: some reasons would hold the texts of all.
    dropped = RowSelection(
        input_pairs.table, input_pairs.rows[~keep], pl.DataFrame()
    ).with_row_numbers(drops)
    dropped = context.scratch.collect("dropped", iter([dropped]))
    report = StepRecord(step.name, "filter", len(input_pairs), len(input_pairs), 0.0)
    return keep, _FilterOutcome(input_pairs, dropped, added, report)


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
    # By str: a null among the codes cannot be compared with a text.
    unknown = sorted(set(code.unique().to_list()) - set(declared), key=str)
    if unknown:
        raise RuntimeError(f"step '{step.name}' gives codes {unknown}, declared are {declared}")
    name = pl.repeat(step.name, len(reason), dtype=pl.String, eager=True)
    return pl.DataFrame({DROP_STEP: name, DROP_REASON: reason, DROP_CODE: code})
