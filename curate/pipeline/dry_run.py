"""What the first pairs say of a pipeline's filters, before anything is computed."""

from __future__ import annotations

from typing import Any

import polars as pl
import yaml

from curate.errors import CurateError
from curate.pipeline.extra_columns import check_extra_columns, is_extra_column, with_extras
from curate.pipeline.plan import FilterStep, PipelinePlan
from curate.read.column_guess import guess_columns
from curate.read.input import InputConfig
from curate.read.label_guess import value_counts
from curate.read.pairs import sample_rows
from curate.steps.conditions import evaluate_condition
from curate.steps.context import Context

_ONE_LINE: dict[str, Any] = {"default_flow_style": True, "sort_keys": False, "width": 10_000}
_MAX_VALUES = 5
"""Values of a column that a mistake quotes."""


def missing_keys(plan: PipelinePlan, pairs: pl.DataFrame) -> list[CurateError]:
    """Return a mistake for each filter that reads a key of `extra` which none of the pairs has."""
    mistakes = []
    for name, columns in plan.columns_of_filters.items():
        try:
            check_extra_columns({name: columns}, pairs)
        except CurateError as error:
            mistakes.append(error)
    return mistakes


def value_mistakes(plan: PipelinePlan, pairs: pl.DataFrame) -> list[CurateError]:
    """Return a mistake for each filter that the values of the first pairs do not fit.

    Conditions are evaluated, with nulls of the right type for scores; filters that read keys of
    `extra` are applied, if the pairs have these keys.

    Args:
        plan: the plan of the run.
        pairs: the first pairs.
    """
    score_columns = [pl.lit(None, dtype=c.dtype).alias(c.name) for c in plan.columns()]
    frame = with_extras(pairs, plan.extras).with_columns(score_columns)
    mistakes = []
    for step in plan.filters:
        columns = [name for name in step.filter.reads() if is_extra_column(name)]
        # A key that no pair has is another mistake, and nulls have no type to compare.
        if any(frame[name].null_count() == len(frame) for name in columns):
            continue
        try:
            _try_filter(step, frame)
        except CurateError as error:
            mistakes.append(_with_values(error, step, frame))
    return mistakes


def _try_filter(step: FilterStep, frame: pl.DataFrame) -> None:
    """Evaluate a filter's condition, or apply a filter of keys of `extra`.

    Raises:
        CurateError: the values do not fit.
    """
    condition = getattr(step.filter.params, "condition", None)
    if isinstance(condition, str):
        evaluate_condition(condition, frame, step.name)
    elif any(map(is_extra_column, step.filter.reads())):
        columns = frame[list(dict.fromkeys(("pair_id", *step.filter.reads())))]
        step.filter.apply(columns, Context().for_pairs(frame).on_pairs(columns, None))


def _with_values(error: CurateError, step: FilterStep, frame: pl.DataFrame) -> CurateError:
    """Return the mistake with the values that the filter's columns have."""
    texts = []
    for name in filter(is_extra_column, step.filter.reads()):
        values = frame[name].drop_nulls().unique(maintain_order=True)
        quoted = ", ".join(repr(value) for value in values.head(_MAX_VALUES).to_list())
        more = ", ..." if len(values) > _MAX_VALUES else ""
        texts += [f"{name} has the values {quoted}{more}"] if len(values) else []
    seen_values = "; ".join(text for text in (error.found, *texts) if text)
    where = f"filter '{step.name}'"
    return CurateError(
        error.problem, where=where, found=seen_values, expected=error.expected, fix=error.fix
    )


def combined_error(mistakes: list[CurateError]) -> CurateError:
    """Return one error for all mistakes: the only one as it is, several with a line each."""
    if len(mistakes) == 1:
        return mistakes[0]
    lines = (
        "; ".join(text for text in (f"{m.where}: {m.problem}", m.found, m.fix) if text)
        for m in mistakes
    )
    problem = f"{len(mistakes)} mistakes in filters"
    return CurateError(problem, found="\n  - ".join(("", *lines)))


def mapping_error(error: CurateError, settings: InputConfig) -> CurateError:
    """Return an error of reading with the values of the label and a mapping that would do.

    Args:
        error: what was raised.
        settings: the input, which maps columns.
    """
    rows = sample_rows(settings)
    guess = guess_columns(rows)
    if not guess.is_complete:
        return error
    label = settings.columns.label if settings.columns else None
    counts = value_counts(rows, label) if label else {}
    values = ", ".join(f"{value!r} ({count})" for value, count in counts.items())
    label_values = f"; values of '{label}' in the first rows: {values}" if values else ""
    return CurateError(
        error.problem,
        where=error.where,
        found=f"{error.found or ''}{label_values}" or None,
        expected=error.expected,
        fix=f"{error.fix or 'correct input.columns'}; a guess of the whole mapping: columns: "
        f"{yaml.safe_dump(guess.as_mapping(), **_ONE_LINE).strip()}",
    )
