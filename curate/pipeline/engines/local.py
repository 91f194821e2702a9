"""Runs everything on this machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

import polars as pl

from curate.pipeline.engines.base import merge_worker_facts
from curate.pipeline.engines.worker import Scored, WorkerSettings, score_rows, start_worker
from curate.pipeline.scorer_step import ScorerStep

if TYPE_CHECKING:
    from curate.models.embed.pair_embeddings import TextEmbedder
    from curate.models.embed.settings import EmbedderConfig
    from curate.steps.context import Context

_AHEAD = 2
"""Batches that wait for each process."""


class LocalEngine:
    """Scores in this process, whose libraries already use all cores.

    Args:
        processes: number of processes for row scorers; more than one helps those written in pure
            Python (`pii`, `language`, `markdown`) and costs seconds and memory for each.
    """

    workers = None
    """All is computed here."""

    def __init__(self, processes: int = 1) -> None:
        self._processes = processes

    def expect(self, steps: list[ScorerStep]) -> None:
        """Do nothing: this engine starts no scorer early."""

    def rows(
        self, step: ScorerStep, frames: Iterator[pl.DataFrame], context: Context
    ) -> Iterator[pl.DataFrame]:
        """Yield one frame after another, or several at a time in processes of their own."""
        if self._processes > 1:
            yield from self._in_processes(step, frames, context)
            return
        for frame in frames:
            yield step.scorer.score(frame, context)

    def _in_processes(
        self, step: ScorerStep, frames: Iterator[pl.DataFrame], context: Context
    ) -> Iterator[pl.DataFrame]:
        settings = WorkerSettings.of(step, context)
        # spawn: a fork of a process with polars' threads can deadlock.
        pool = ProcessPoolExecutor(self._processes, get_context("spawn"), start_worker, (settings,))
        waiting: deque[Future[Scored]] = deque()
        with pool:
            for frame in frames:
                waiting.append(pool.submit(score_rows, frame))
                if len(waiting) > self._processes * _AHEAD:
                    yield _merged_result(waiting.popleft(), context)
            while waiting:
                yield _merged_result(waiting.popleft(), context)

    def table(self, step: ScorerStep, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Score all pairs in this process."""
        return step.scorer.score(pairs, context)

    def embedder(self, settings: EmbedderConfig) -> TextEmbedder:
        """Load the embedder into this process."""
        from curate.models.embed.frame import text_embedder

        return text_embedder(settings)

    def close(self) -> None:
        """Do nothing: this engine holds nothing open."""


def _merged_result(future: Future[Scored], context: Context) -> pl.DataFrame:
    scored = future.result()
    merge_worker_facts(context, scored.facts, scored.warnings)
    return scored.frame
