"""Runs scorers: takes what is stored, lets an engine compute the rest, and stores it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from curate.data.attachments import MEDIA, MEDIA_COLUMNS
from curate.data.json_types import Json
from curate.data.process import release_free_memory
from curate.data.table import batch_slices
from curate.pipeline.engines.base import Engine
from curate.pipeline.engines.local import LocalEngine
from curate.pipeline.run_evidence import FileEvidence, label_evidence
from curate.pipeline.score_cache import ScoreCache
from curate.pipeline.scorer_step import ScorerStep
from curate.pipeline.single_answers import with_single_answer_columns
from curate.steps.context import Context, report_progress
from curate.steps.declarations import Input, Scope
from curate.steps.findings import ModelUsage
from curate.steps.step_record import CACHED, StepRecord, check_columns, qualify_columns

# Large enough that the cost of a call is small, small enough to be one block for a worker.
ROW_BATCH = 4096


@dataclass(frozen=True)
class PairScorer:
    """Scores pairs by one scorer after another.

    Attributes:
        pairs: the pair table.
        context: the run's context, with the evidence for the scorers.
        cache: cache of scores of earlier runs; None computes all.
        engine: the engine that computes scores.
    """

    pairs: pl.DataFrame
    context: Context
    cache: ScoreCache | None = None
    engine: Engine = field(default_factory=LocalEngine)

    def score_all(
        self, scorers: Sequence[ScorerStep], file: FileEvidence | None = None
    ) -> Iterator[tuple[pl.DataFrame, StepRecord]]:
        """Yield the columns and the record of each scorer, on one embedding pass.

        Args:
            scorers: scorers in running order.
            file: margins of the file that scorers take as evidence.
        """
        # What depends on scores of this run can be looked up only once these are there.
        without_evidence = [step for step in scorers if not step.takes_evidence]
        missing = [step for step in without_evidence if not self._is_cached(step)]
        if len(self.pairs) and any(Input.EMBEDDINGS in step.scorer.inputs for step in missing):
            _ = self.context.features  # the one embedding pass
        self.engine.expect(missing)
        scores: list[pl.DataFrame] = []
        for step in scorers:
            warnings: list[str] = []
            judgements = self.context.evidence.verdicts
            evidence = label_evidence(step, scores, file or FileEvidence(), judgements, warnings)
            informed = replace(self, context=replace(self.context, evidence=evidence))
            columns, record = informed.score(step)
            columns = with_single_answer_columns(step, columns, self.pairs)
            scores.append(columns)
            yield columns, replace(record, warnings=(*warnings, *record.warnings))

    def score(self, step: ScorerStep) -> tuple[pl.DataFrame, StepRecord]:
        """Return the columns of one scorer, named and typed as declared, and its record."""
        started, context = time.perf_counter(), self.context.for_step().on_pairs(self.pairs)
        frame = None if self.cache is None else self.cache.get(self._key(step), context)
        if frame is not None:
            context.facts[CACHED] = True
        else:
            if step.scorer.scope is not Scope.ROW and Input.EMBEDDINGS in step.scorer.inputs:
                _ = context.features  # embedded here, so that the time is not the scorer's
                started = time.perf_counter()
            frame = self._compute(step, context)
        release_free_memory()
        frame = qualify_columns(frame, step.scorer.columns(), len(self.pairs), step.name)
        facts, count = context.facts, len(self.pairs)
        notes = (*_no_score_warnings(frame, step), *_truncation_warnings(facts, step))
        warnings, seconds = (*context.warnings, *notes), time.perf_counter() - started
        return frame, StepRecord(step.name, "score", count, count, seconds, facts, warnings)

    def _is_cached(self, step: ScorerStep) -> bool:
        return self.cache is not None and self.cache.has(step, self.context.device)

    def _key(self, step: ScorerStep) -> str | None:
        if self.cache is None:
            return None
        return self.cache.key(step, self.context.device, self.context.evidence)

    def _compute(self, step: ScorerStep, context: Context) -> pl.DataFrame:
        """Return the scorer's columns in the scratch space; they are stored for the next run."""
        columns, name, scratch = step.scorer.columns(), step.name, context.scratch
        if step.scorer.scope is Scope.ROW:
            with context.progress.task(name, len(self.pairs)) as task:
                batch_scores = self._row_scores(step, context)
                checked = (
                    check_columns(batch, columns, len(batch), name) for batch in batch_scores
                )
                frame = scratch.collect(name, report_progress(checked, task.advance))
            if self.cache:
                self.cache.put(self._key(step), frame, context)
            return frame
        with context.progress.task(name, None):
            frame = self.engine.table(step, self.pairs, context)
        # Before it goes to a mapped file: a change afterwards would copy it into memory again.
        frame = check_columns(frame, columns, len(self.pairs), name)
        if self.cache:
            self.cache.put(self._key(step), frame, context)
        return scratch.collect(name, iter([frame]))

    def _row_scores(self, step: ScorerStep, context: Context) -> Iterator[pl.DataFrame]:
        """Yield the scores of all pairs, batch by batch; only what is not stored is computed."""
        engine = self.engine
        row_scores = self.cache.rows(step, context.device) if self.cache else None
        # No row scorer looks at files of media, which must not travel to other processes.
        pairs = self.pairs.with_columns(pl.lit(None, dtype=MEDIA).alias(c) for c in MEDIA_COLUMNS)
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
            # Frames with all scores in the cache sent nothing to the engine: they come out before
            # its next result, so that the order of the pairs stays.
            while len(waiting[0][1]) == waiting[0][0].stop - waiting[0][0].start:
                yield row_scores.merge(*waiting.popleft(), None)
            yield row_scores.merge(*waiting.popleft(), scored)
        yield from (row_scores.merge(rows, stored, None) for rows, stored in waiting)
        context.facts["rows_kept_from_earlier"] = row_scores.reused


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
