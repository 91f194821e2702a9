"""Runs one scorer: takes what is kept, lets an engine compute the rest, and keeps it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from curate.data.attachments import MEDIA, MEDIA_COLUMNS
from curate.data.json_types import Json
from curate.data.process import release_free_memory
from curate.data.table import batch_slices
from curate.pipeline.engines.base import Engine
from curate.pipeline.engines.local import LocalEngine
from curate.pipeline.file_evidence import FileEvidence
from curate.pipeline.label_evidence import label_evidence
from curate.pipeline.score_cache import ScoreCache
from curate.pipeline.scorer_step import ScorerStep
from curate.steps.context import Context, report_progress
from curate.steps.declarations import Input, Scope
from curate.steps.findings import ModelUsage
from curate.steps.step_record import CACHED, StepRecord, check_columns, qualify_columns
from curate.store.row_scores import RowScores

# Large enough that the cost of a call is small, small enough to be one block for a worker.
ROW_BATCH = 4096


def score_all(
    scorers: Sequence[ScorerStep],
    pairs: pl.DataFrame,
    context: Context,
    cache: ScoreCache,
    engine: Engine,
    steps: list[StepRecord],
    file: FileEvidence | None = None,
) -> list[pl.DataFrame]:
    """Return the columns of every scorer: what is known is taken, the rest computed on one
    embedding pass.

    Args:
        scorers: scorers in running order.
        pairs: the pair table.
        context: the run's context.
        cache: cache of scores of earlier runs.
        engine: the engine that computes scores.
        steps: gets a record of each scorer.
        file: margins of the file that scorers take as evidence.
    """
    # What depends on scores of this run can be looked up only once these are there.
    without_evidence = [step for step in scorers if not step.takes_evidence]
    missing = [step for step in without_evidence if not cache.has(step, context.device)]
    if len(pairs) and any(Input.EMBEDDINGS in step.scorer.inputs for step in missing):
        _ = context.features  # the one embedding pass
    engine.expect(missing)
    scores: list[pl.DataFrame] = []
    for step in scorers:
        warnings: list[str] = []
        judgements = context.evidence.verdicts
        evidence = label_evidence(step, scores, file or FileEvidence(), judgements, warnings)
        step_context = replace(context, evidence=evidence)
        columns, record = run_scorer(step, pairs, step_context, cache, engine)
        scores.append(columns)
        steps.append(replace(record, warnings=(*warnings, *record.warnings)))
    return scores


def run_scorer(
    step: ScorerStep,
    pairs: pl.DataFrame,
    context: Context,
    cache: ScoreCache | None = None,
    engine: Engine | None = None,
) -> tuple[pl.DataFrame, StepRecord]:
    """Return the scorer's columns, named and typed as declared, and its report.

    Args:
        step: the scorer and its name.
        pairs: the pair table.
        context: the run's context, with the evidence for this scorer.
        cache: cache of scores of earlier runs; default none.
        engine: the engine that computes scores; default this process.
    """
    started, step_context = time.perf_counter(), context.for_step().on_pairs(pairs)
    frame = None
    if cache is not None:
        key = cache.key(step, context.device, context.evidence)
        frame = cache.get(key, step_context)
    if frame is not None:
        step_context.facts[CACHED] = True
    else:
        if step.scorer.scope is not Scope.ROW and Input.EMBEDDINGS in step.scorer.inputs:
            _ = context.features  # embedded here, so that the time is not the scorer's
            started = time.perf_counter()
        frame = _compute_scores(step, pairs, step_context, cache, engine or LocalEngine())
    release_free_memory()
    frame = qualify_columns(frame, step.scorer.columns(), len(pairs), step.name)
    facts, warnings = step_context.facts, step_context.warnings
    warnings += [*_no_score_warnings(frame, step), *_truncation_warnings(facts, step)]
    seconds, count = time.perf_counter() - started, len(pairs)
    return frame, StepRecord(step.name, "score", count, count, seconds, facts, tuple(warnings))


def _compute_scores(
    step: ScorerStep,
    pairs: pl.DataFrame,
    context: Context,
    cache: ScoreCache | None,
    engine: Engine,
) -> pl.DataFrame:
    """Return the scorer's columns in the scratch space; they are stored for the next run."""
    columns, name = step.scorer.columns(), step.name
    key = cache.key(step, context.device, context.evidence) if cache else None
    if step.scorer.scope is Scope.ROW:
        row_scores = cache.rows(step, context.device) if cache else None
        with context.progress.task(name, len(pairs)) as task:
            batch_scores = _row_scores(step, pairs, context, engine, row_scores)
            checked = (check_columns(batch, columns, len(batch), name) for batch in batch_scores)
            frame = context.scratch.collect(name, report_progress(checked, task.advance))
        if cache:
            cache.put(key, frame, context)
        return frame
    with context.progress.task(name, None):
        frame = engine.table(step, pairs, context)
    # Before it goes to a mapped file: a change afterwards would copy it into memory again.
    frame = check_columns(frame, columns, len(pairs), name)
    if cache:
        cache.put(key, frame, context)
    return context.scratch.collect(name, iter([frame]))


def _truncation_warnings(facts: Mapping[str, Json], step: ScorerStep) -> list[str]:
    """Return a warning for each model that saw truncated texts, counted over all batches."""
    return [
        f"{step.name}: {model} saw only the {visible_end} of {cut:,} of {usage.conversations:,} "
        f"{side}s: they are longer than inference.max_{side}_tokens"
        for model, usage in ModelUsage.by_model(facts).items()
        for side, visible_end, cut in (
            ("prompt", "end", usage.prompts_truncated),
            ("answer", "beginning", usage.answers_truncated),
        )
        if cut
    ]


def _no_score_warnings(frame: pl.DataFrame, step: ScorerStep) -> list[str]:
    """Return a warning if no pair has a score: filters that read it would silently do nothing."""
    numbers = [f"{step.name}.{c.name}" for c in step.scorer.columns() if c.kind == "float"]
    status = f"{step.name}.status"
    if not len(frame) or not numbers or status not in frame.columns:
        return []
    if any(frame[name].null_count() < len(frame) for name in numbers):
        return []
    reasons = frame[status].fill_null("no reason").value_counts(sort=True).rows()
    if any(reason == "ok" for reason, _ in reasons):
        return []
    summary = ", ".join(f"{reason} ({count:,})" for reason, count in reasons)
    return [f"{step.name}: no pair has a score: {summary}"]


def _row_scores(
    step: ScorerStep,
    pairs: pl.DataFrame,
    context: Context,
    engine: Engine,
    row_scores: RowScores | None,
) -> Iterator[pl.DataFrame]:
    """Yield the scores of all pairs, batch by batch; only those that are not kept are computed."""
    # No row scorer looks at files of media, which must not travel to other processes.
    pairs = pairs.with_columns(pl.lit(None, dtype=MEDIA).alias(c) for c in MEDIA_COLUMNS)
    slices = batch_slices(len(pairs), ROW_BATCH)
    if row_scores is None or not len(pairs):
        yield from engine.rows(step, (pairs[rows] for rows in slices or [slice(0, 0)]), context)
        return
    waiting: deque[tuple[slice, pl.DataFrame]] = deque()

    def missing() -> Iterator[pl.DataFrame]:
        for rows in slices:
            stored = row_scores.find(rows)
            waiting.append((rows, stored))
            if len(stored) < rows.stop - rows.start:
                yield pairs[rows].filter(~row_scores.cached_mask(rows, stored))

    for scored in engine.rows(step, missing(), context):
        # Frames with all scores in the cache sent nothing to the engine: they come out before its
        # next result, so that the order of the pairs stays.
        while len(waiting[0][1]) == waiting[0][0].stop - waiting[0][0].start:
            yield row_scores.merge(*waiting.popleft(), None)
        yield row_scores.merge(*waiting.popleft(), scored)
    yield from (row_scores.merge(rows, stored, None) for rows, stored in waiting)
    context.facts["rows_kept_from_earlier"] = row_scores.reused
