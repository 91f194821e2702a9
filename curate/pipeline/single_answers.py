"""Runs on sets of single answers: steps that need two answers are refused, and scored in part."""

from __future__ import annotations

import polars as pl

from curate.data.table import has_single_answers
from curate.errors import CurateError
from curate.pipeline.config import PipelineConfig
from curate.pipeline.plan import PipelinePlan, with_output
from curate.pipeline.scorer_step import ScorerStep
from curate.steps.entries import filter_names, scorer_names
from curate.steps.registry import filter_class, scorer_class


def check_answers(plan: PipelinePlan, pairs: pl.DataFrame, is_written: bool) -> None:
    """Refuse steps and outputs that need two answers, where the rows have one.

    Args:
        plan: the plan of the run.
        pairs: the pair table.
        is_written: whether shards are written, by the plan's export.

    Raises:
        CurateError: some rows have a rejected answer and others none, or a step needs one.
    """
    missing = pairs["rejected"].null_count()
    if 0 < missing < len(pairs):
        raise CurateError(
            "pairs and single answers are mixed",
            where="input",
            found=f"{missing:,} of {len(pairs):,} rows have no rejected answer",
            fix="run the sources of pairs and those of single answers separately",
        )
    if has_single_answers(pairs):
        _refuse_pair_steps(plan)
        _refuse_pair_columns(plan)
    if is_written:
        plan.export.check_answers(pairs, "output.format")


def with_single_answer_export(
    config: PipelineConfig, plan: PipelinePlan, pairs: pl.DataFrame
) -> tuple[PipelineConfig, PipelinePlan]:
    """Return configuration and plan with the export that writes single answers.

    They change only if the pairs are single answers and the configured export, which writes pairs,
    names another one for the same trainer.
    """
    name = plan.export.single_answer_export
    if name is None or not has_single_answers(pairs):
        return config, plan
    output = config.output.model_copy(update={"format": name})
    config = config.model_copy(update={"output": output})
    return config, with_output(plan, config)


def _refuse_pair_steps(plan: PipelinePlan) -> None:
    """Refuse the steps that need two answers."""
    scorers = {step.name: step.scorer.single_answer_columns for step in plan.scorers}
    needed = [name for name, columns in scorers.items() if not columns]
    needed += [step.name for step in plan.filters if not step.filter.single_answers]
    if needed:
        raise CurateError(
            "the rows are single answers, and these steps need a rejected answer",
            where=", ".join(needed),
            expected=f"steps for single answers: {', '.join(_single_answer_steps())}",
            fix="remove these steps, or read a dataset of pairs",
        )


def _refuse_pair_columns(plan: PipelinePlan) -> None:
    """Refuse filters that read a column which is null without rejected answers."""
    scorers = {step.name: step.scorer.single_answer_columns for step in plan.scorers}
    known_columns = {f"{name}.{column}" for name, columns in scorers.items() for column in columns}
    for step in plan.filters:
        for column in step.filter.reads():
            if column.partition(".")[0] in scorers and column not in known_columns:
                raise CurateError(
                    "the rows are single answers, and this column needs a rejected answer",
                    where=f"filter '{step.name}'",
                    found=column,
                    expected=f"one of {', '.join(sorted(known_columns))}",
                )


def _single_answer_steps() -> list[str]:
    """Return the names of all steps that work on single answers."""
    scorers = []
    for name in scorer_names():
        cls = scorer_class(name)
        if cls.single_answer_columns:
            settings = cls.single_answer_settings
            scorers.append(f"{name} ({settings})" if settings else name)
    return [*scorers, *(n for n in filter_names() if filter_class(n).single_answers)]


def with_single_answer_columns(
    step: ScorerStep, scores: pl.DataFrame, pairs: pl.DataFrame
) -> pl.DataFrame:
    """Return a scorer's columns; those that need a rejected answer are null without any."""
    if not has_single_answers(pairs):
        return scores
    columns = {f"{step.name}.{name}" for name in step.scorer.single_answer_columns}
    nulls = (
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in scores.schema.items()
        if name not in columns
    )
    return scores.with_columns(nulls)
