"""Runs one scorer: takes what is kept, lets an engine compute the rest, and keeps it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from curate.data.memory import give_back
from curate.data.row_parts import MEDIA, MEDIA_PARTS
from curate.data.table import batches
from curate.pipeline.engines.base import Engine
from curate.pipeline.engines.local import LocalEngine
from curate.pipeline.file_evidence import FileEvidence
from curate.pipeline.label_evidence import label_evidence
from curate.pipeline.score_cache import ScoreCache
from curate.pipeline.scorer_step import ScorerStep
from curate.steps.context import Context, counted
from curate.steps.step_record import StepRecord, checked_columns, typed
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
    """The columns of every scorer: what is known is taken, the rest computed on one embedding pass.

    Args:
        scorers: in the order in which they run.
        pairs: the pair table.
        context: of the run.
        cache: of scores of earlier runs.
        engine: computes.
        steps: gets a record of each scorer.
        file: margins of the file that scorers take as evidence.
    """
    # What depends on scores of this run can be looked up only once these are there.
    first = [step for step in scorers if not step.takes_evidence]
    missing = [step for step in first if not cache.has(step, context.device)]
    if len(pairs) and any(step.scorer.needs_embeddings for step in missing):
        _ = context.features  # the one embedding pass
    engine.expect(missing)
    scores: list[pl.DataFrame] = []
    for step in scorers:
        warnings: list[str] = []
        judged = context.evidence.judged
        evidence = label_evidence(step, scores, file or FileEvidence(), judged, warnings)
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
    """The scorer's columns, named and typed as declared, and its report.

    Args:
        step: the scorer and its name.
        pairs: the pair table.
        context: of the run, with the evidence that the scorer is to read.
        cache: of scores of earlier runs; default none.
        engine: computes; default in this process.
    """
    started, own = time.perf_counter(), context.for_step()
    columns = step.scorer.columns()
    frame = cache.get(cache.key(step, context.device, context.evidence), own) if cache else None
    if frame is not None:
        own.facts["cached"] = True
    else:
        if step.scorer.scope == "table" and step.scorer.needs_embeddings:
            _ = context.features  # embedded here, so that the time is not the scorer's
            started = time.perf_counter()
        frame = _computed(step, pairs, own, cache, engine or LocalEngine())
    give_back()
    frame = typed(frame, columns, len(pairs), step.name)
    own.warnings.extend((*_nothing_scored(frame, step), *_truncated(own.facts, step)))
    seconds = time.perf_counter() - started
    report = StepRecord(
        step.name, "score", len(pairs), len(pairs), seconds, own.facts, tuple(own.warnings)
    )
    return frame, report


def _computed(
    step: ScorerStep,
    pairs: pl.DataFrame,
    context: Context,
    cache: ScoreCache | None,
    engine: Engine,
) -> pl.DataFrame:
    """The scorer's columns in the workspace; they are kept for the next run."""
    columns, name = step.scorer.columns(), step.name
    key = cache.key(step, context.device, context.evidence) if cache else None
    if step.scorer.scope == "row":
        kept = cache.rows(step, context.device) if cache else None
        with context.progress.task(name, len(pairs)) as task:
            parts = _row_scores(step, pairs, context, engine, kept)
            checked = (checked_columns(part, columns, len(part), name) for part in parts)
            frame = context.workspace.collect(name, counted(checked, task.advance))
        if cache:
            cache.put(key, frame, context)
        return frame
    with context.progress.task(name, None):
        frame = engine.table(step, pairs, context)
    # Before it goes to a mapped file: what is changed after it would lie in memory again.
    frame = checked_columns(frame, columns, len(pairs), name)
    if cache:
        cache.put(key, frame, context)
    return context.workspace.collect(name, iter([frame]))


def _truncated(facts: dict[str, Any], step: ScorerStep) -> list[str]:
    """That models saw parts of texts alone, counted over all batches."""
    told = []
    for model, counts in facts.get("models", {}).items():
        asked = counts.get("conversations", 0)
        for part, seen in (("prompts", "end"), ("answers", "beginning")):
            cut = counts.get(f"{part}_truncated", 0)
            if cut:
                told.append(
                    f"{step.name}: of {cut:,} of {asked:,} {part} {model} saw the {seen} alone: "
                    f"they are longer than inference.max_{part[:-1]}_tokens"
                )
    return told


def _nothing_scored(frame: pl.DataFrame, step: ScorerStep) -> list[str]:
    """That no pair has a score, and why: filters by it would do nothing without a word."""
    numbers = [f"{step.name}.{c.name}" for c in step.scorer.columns() if c.kind == "float"]
    status = f"{step.name}.status"
    if not len(frame) or not numbers or status not in frame.columns:
        return []
    if any(frame[name].null_count() < len(frame) for name in numbers):
        return []
    reasons = frame[status].fill_null("no reason").value_counts(sort=True).rows()
    if any(reason == "ok" for reason, _ in reasons):
        return []
    told = ", ".join(f"{reason} ({count:,})" for reason, count in reasons)
    return [f"{step.name}: no pair is scored: {told}"]


def _row_scores(
    step: ScorerStep,
    pairs: pl.DataFrame,
    context: Context,
    engine: Engine,
    kept: RowScores | None,
) -> Iterator[pl.DataFrame]:
    """Scores of all pairs, batch by batch; only those that are not kept are computed."""
    # No row scorer looks at files of media, which must not travel to other processes.
    pairs = pairs.with_columns(pl.lit(None, dtype=MEDIA).alias(c) for c in MEDIA_PARTS)
    wanted = batches(len(pairs), ROW_BATCH)
    if kept is None or not len(pairs):
        yield from engine.rows(step, (pairs[rows] for rows in wanted or [slice(0, 0)]), context)
        return
    waiting: deque[tuple[slice, pl.DataFrame]] = deque()

    def missing() -> Iterator[pl.DataFrame]:
        for rows in wanted:
            found = kept.find(rows)
            waiting.append((rows, found))
            if len(found) < rows.stop - rows.start:
                yield pairs[rows].filter(~kept.known(rows, found))

    for scored in engine.rows(step, missing(), context):
        while len(waiting[0][1]) == waiting[0][0].stop - waiting[0][0].start:
            yield kept.merged(*waiting.popleft(), None)
        yield kept.merged(*waiting.popleft(), scored)
    yield from (kept.merged(rows, found, None) for rows, found in waiting)
    context.facts["rows_kept_from_earlier"] = kept.taken
