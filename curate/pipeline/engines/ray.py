"""Runs row scorers, embedders and table scorers on a Ray cluster."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from curate.data.attachments import MEDIA_COLUMNS, nonempty_attachments
from curate.data.process import available_cores
from curate.errors import CurateError, first_line
from curate.models.embed.report import RoundingError
from curate.models.embed.settings import EmbedderConfig
from curate.optional_packages import need
from curate.pipeline.config import EngineConfig
from curate.pipeline.engines.base import merge_worker_facts
from curate.pipeline.engines.limits import check_reachable, check_workers
from curate.pipeline.engines.ray_blocks import put_in_windows, resize_frames
from curate.pipeline.engines.ray_errors import unwrap_user_error
from curate.pipeline.engines.ray_parts import RETRIES, RayWorkers
from curate.pipeline.engines.ray_tables import TableInputs, run_table
from curate.pipeline.engines.ray_workers import (
    FACTS,
    NUMBER,
    TEXT,
    VECTOR,
    EmbedWorker,
    ScoreWorker,
    count_truncated_on_worker,
    describe_embedder,
)
from curate.pipeline.engines.worker import Scored, WorkerSettings
from curate.pipeline.scorer_step import ScorerStep
from curate.steps.declarations import Input, Scope

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.data import ActorPoolStrategy

    from curate.models.embed.pair_embeddings import TextEmbedder, Texts, Vectors
    from curate.steps.context import Context

_ENVIRONMENT = {"POLARS_MAX_THREADS": "1"}
"""Environment of workers: Ray assigns one core each and limits OpenMP to it, but not polars."""


class RayEngine:
    """Sends blocks of rows to a pool of actors through Ray Data, table scorers to separate tasks.

    The work of a killed worker is repeated by another one. Reading, filters and writing stay
    in this process, which holds ids and scores of all pairs in mapped files.

    Args:
        settings: address of the cluster, workers, GPUs of each.

    Raises:
        CurateError: Ray is not installed, or the cluster is not reached.
    """

    def __init__(self, settings: EngineConfig) -> None:
        need("ray", "ray", "engine: ray")
        check_reachable(settings.address)
        if settings.address is None:
            check_workers(settings.workers, available_cores())
        self._settings = settings
        self.workers = RayWorkers(lambda: self._count)
        self._started = False
        self._expected: list[ScorerStep] = []
        self._running: dict[str, ObjectRef] = {}
        self._inputs: TableInputs | None = None

    @cached_property
    def _count(self) -> int:
        """Return workers of the cluster, which is reached when there is work for it.

        A run that takes all from the store starts none.
        """
        # Nobody but the user shall hear of a run.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        settings = self._settings
        if not ray.is_initialized():
            self._start()
            self._started = True
        cluster = ray.cluster_resources()
        slots = int(cluster.get("CPU", 1))
        if settings.gpus_per_worker:
            slots = int(cluster.get("GPU", 0) / settings.gpus_per_worker)
        check_workers(settings.workers, max(slots, 1), "the cluster")
        return settings.workers or max(slots, 1)

    @property
    def _ray(self) -> Any:
        import ray

        _ = self._count
        return ray

    def _start(self) -> None:
        s = self._settings
        # A job that was submitted to a cluster finds it in the environment. Without either,
        # Ray itself would join a cluster of somebody else that happens to run on this machine.
        address = s.address or os.environ.get("RAY_ADDRESS") or "local"
        local_options = (
            {"num_cpus": s.workers, "include_dashboard": False} if address == "local" else {}
        )
        import ray

        try:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": _ENVIRONMENT},
                **local_options,
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise CurateError(
                "the Ray cluster is not reachable",
                where="engine.address",
                found=first_line(error),
                fix="give the address of a running cluster, or none to start one here",
            ) from None

    def expect(self, steps: list[ScorerStep]) -> None:
        """Announce table scorers, which run in parallel once the first of them is called."""
        self._expected = [s for s in steps if s.scorer.scope is not Scope.ROW]

    def rows(
        self, step: ScorerStep, frames: Iterator[pl.DataFrame], context: Context
    ) -> Iterator[pl.DataFrame]:
        """Yield the scores of each frame, in order; a frame is one block."""
        sizes: list[int] = []

        def blocks() -> Iterator[pa.Table]:
            for frame in frames:
                sizes.append(len(frame))
                yield frame.to_arrow(compat_level=pl.CompatLevel.oldest())

        settings = WorkerSettings.of(step, context)
        scored = self._mapped(blocks(), self._gpus_of(step), ScoreWorker, settings)
        for frame in resize_frames(scored, sizes):
            # Ray may put two small blocks into one batch, which then has the facts of both.
            reports = frame[FACTS].drop_nulls()
            facts = json.loads(reports[0]) if len(reports) else {}
            merge_worker_facts(context, facts.get("facts", {}), facts.get("warnings", []))
            yield frame.drop(FACTS)

    def table(self, step: ScorerStep, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Score all pairs in a task, which gets features and pair table block by block.

        What works in parts runs here, and its parts with the workers. Media do not travel: what
        reads them, or distinguishes pairs by them, runs here too.
        """
        if _runs_here(step, pairs):
            return step.scorer.score(pairs, context)
        self._expected = [
            expected_step
            for expected_step in self._expected
            if not _runs_here(expected_step, pairs)
        ]
        embedded = Input.EMBEDDINGS in step.scorer.inputs
        if self._inputs is None or (embedded and not self._inputs.arrays):
            embedded |= any(
                Input.EMBEDDINGS in expected_step.scorer.inputs for expected_step in self._expected
            )
            self._inputs = TableInputs.put(pairs, context, embedded)
            for expected_step in self._expected:
                self._submit(expected_step, context)
        if step.name not in self._running:
            self._submit(step, context)
        scored: Scored = self._result(self._running.pop(step.name))
        merge_worker_facts(context, scored.facts, scored.warnings)
        return scored.frame

    def _submit(self, step: ScorerStep, context: Context) -> None:
        assert self._inputs is not None
        task = self._ray.remote(run_table).options(
            num_cpus=1, num_gpus=self._gpus_of(step), max_retries=RETRIES
        )
        settings = WorkerSettings.of(step, context)
        self._running[step.name] = task.remote(settings, self._inputs.of(step.scorer))

    def embedder(self, settings: EmbedderConfig) -> TextEmbedder:
        """Return an embedder in each actor; this process loads none."""
        task = self._ray.remote(describe_embedder).options(num_gpus=self._gpus)
        return RayEmbedder(self, settings, *self._result(task.remote(settings)))

    def count_cut(self, settings: EmbedderConfig, texts: list[str]) -> int:
        """Return how many of the texts an embedder sees in part, by a worker."""
        task = self._ray.remote(count_truncated_on_worker).options(num_gpus=self._gpus)
        truncated: int = self._result(task.remote(settings, texts))
        return truncated

    def vectors(self, settings: EmbedderConfig, texts: Iterator[Texts]) -> Iterator[Vectors]:
        """Yield the vectors of numbered texts by the actors."""
        blocks = (pa.table({NUMBER: pa.array(n), TEXT: pa.array(t)}) for n, t in texts)
        for table in self._mapped(blocks, self._gpus, EmbedWorker, settings):
            lists = table[VECTOR].combine_chunks()
            flat = lists.flatten().to_numpy(zero_copy_only=False)
            yield table[NUMBER].to_numpy(), flat.reshape(len(table), -1)

    def close(self) -> None:
        """Stop the cluster that was started here, or leave the one that was joined."""
        if self._started:
            self._ray.shutdown()

    @cached_property
    def _gpus(self) -> float:
        """Return the GPUs of a worker that computes on one."""
        requested = self._settings.gpus_per_worker
        if requested is not None:
            return requested
        return min(1.0, float(self._ray.cluster_resources().get("GPU", 0.0)))

    def _gpus_of(self, step: ScorerStep) -> float:
        """Return the GPUs of a worker of a step: none where it runs no model."""
        scorer = step.scorer
        computes = scorer.learned or bool({Input.MODEL, Input.EMBEDDINGS} & set(scorer.inputs))
        return self._gpus if computes else 0.0

    def _pool(self, blocks: int, gpus: float) -> ActorPoolStrategy:
        """Return the actors that work on so many blocks."""
        from ray.data import ActorPoolStrategy

        slots = self._ray.cluster_resources().get("GPU", 0.0) / gpus if gpus else math.inf
        return ActorPoolStrategy(size=max(int(min(self.workers.count, blocks, slots)), 1))

    def _mapped(
        self, blocks: Iterator[pa.Table], gpus: float, worker: type[Any], *args: Any
    ) -> Iterator[Any]:
        """Yield what workers make of each block, in order; a window of the blocks lies in the
        store.
        """
        most_rows = 1

        def count_rows() -> Iterator[pa.Table]:
            nonlocal most_rows
            for block in blocks:
                most_rows = max(most_rows, len(block))
                yield block

        for references in put_in_windows(count_rows(), self._ray.put):
            # For GPUs Ray wants a number of rows; these are whole blocks as well.
            options = {"num_gpus": gpus, "batch_size": most_rows} if gpus else {"batch_size": None}
            options["compute"] = self._pool(len(references), gpus)
            yield from self._mapped_window(references, options, worker, args)

    def _mapped_window(
        self,
        references: list[ObjectRef],
        options: dict[str, Any],
        worker: type[Any],
        args: tuple[Any, ...],
    ) -> Iterator[Any]:
        from ray.data import DataContext, from_arrow_refs

        for name in ("ray.data", "ray"):
            logging.getLogger(name).setLevel(logging.ERROR)
        settings = DataContext.get_current()
        settings.enable_progress_bars = False
        settings.print_on_execution_start = False
        # Scores belong to pairs by their position.
        settings.execution_options.preserve_order = True
        data = from_arrow_refs(references).map_batches(
            worker,
            fn_constructor_args=args,
            batch_format="pyarrow",
            zero_copy_batch=True,
            **options,
        )
        batches = iter(data.iter_batches(batch_size=None, batch_format="pyarrow"))
        while True:
            try:
                table = next(batches, None)
            except Exception as error:
                raise unwrap_user_error(error) from None
            if table is None:
                return
            yield table

    def _result(self, reference: ObjectRef) -> Any:
        try:
            return self._ray.get(reference)
        except Exception as error:
            raise unwrap_user_error(error) from None


class RayEmbedder:
    """A sentence embedder that runs in the actors of an engine."""

    def __init__(
        self,
        engine: RayEngine,
        settings: EmbedderConfig,
        name: str,
        device: str,
        fingerprint: str,
        dim: int,
        rounding_error: RoundingError | None,
        max_tokens: int | None,
    ) -> None:
        self._engine, self._settings = engine, settings
        self.rounding_error = rounding_error
        self.max_tokens = max_tokens
        self.name, self.device, self.fingerprint, self.dim = name, device, fingerprint, dim

    def stream(self, texts: Iterator[Texts]) -> Iterator[Vectors]:
        """Return the vectors of the texts."""
        return self._engine.vectors(self._settings, texts)

    def count_cut(self, texts: list[str]) -> int:
        """Return how many of the texts are longer than `max_tokens`."""
        return self._engine.count_cut(self._settings, texts)


def _runs_here(step: ScorerStep, pairs: pl.DataFrame) -> bool:
    """Return whether a table scorer works in parts, or needs the media of these pairs."""
    media = any(attachment in MEDIA_COLUMNS for attachment in nonempty_attachments(pairs))
    inputs = step.scorer.inputs
    needs_media = Input.MEDIA in inputs or (media and Input.TEXTS in inputs)
    return step.scorer.scope is Scope.PARTITIONED or needs_media
