"""A row scorer in another process: built there from its class and parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from curate.data.json_types import JsonObject
from curate.steps.context import Context
from curate.steps.contracts import Scorer
from curate.steps.evidence import LabelEvidence
from curate.steps.models import Inference
from curate.store.store import Store

if TYPE_CHECKING:
    from curate.pipeline.scorer_step import ScorerStep


@dataclass(frozen=True)
class WorkerSettings:
    """All that a worker must know of a run.

    Attributes:
        scorer: class of the scorer.
        parameters: the scorer's parameters.
        seed: seed of the run.
        store: folder of the store; None for none.
        inference: how models are run.
        device: the device for probe models, or "auto": the worker's own.
        evidence: evidence of the labels that the scorer reads.
    """

    scorer: type[Scorer[Any]]
    parameters: dict[str, Any]
    seed: int
    store: Path | None
    inference: Inference
    device: str
    evidence: LabelEvidence = field(default_factory=LabelEvidence)

    @classmethod
    def of(cls, step: ScorerStep, context: Context) -> WorkerSettings:
        """Return the settings of a step of a run."""
        return cls(
            type(step.scorer),
            # Only what the user set: a scorer may check a template that was given, and not its
            # default.
            step.scorer.params.model_dump(exclude_unset=True),
            context.seed,
            context.store.root if context.store else None,
            context.inference,
            context.requested_device or context.device,
            context.evidence,
        )

    def context(self) -> Context:
        """Return a context as the run's own."""
        from curate.models.embed.device import choose_device

        return Context(
            seed=self.seed,
            # Here and not by the driver: a head node often has no GPU, or one that Ray hides.
            device=choose_device(self.device),
            store=None if self.store is None else Store(self.store),
            inference=self.inference,
            evidence=self.evidence,
        )


@dataclass(frozen=True)
class Scored:
    """Scores of a batch of pairs, with the scorer's facts and warnings."""

    frame: pl.DataFrame
    facts: JsonObject
    warnings: list[str]


class RowWorker:
    """Scores frames one after another; models stay loaded between them."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._scorer = settings.scorer(**settings.parameters)
        self._context = settings.context()

    def score(self, pairs: pl.DataFrame) -> Scored:
        """Return the scores of one frame."""
        step_context = self._context.for_step()
        return Scored(
            self._scorer.score(pairs, step_context), step_context.facts, step_context.warnings
        )


_worker: RowWorker | None = None


def start_worker(settings: WorkerSettings) -> None:
    """Make this process a worker."""
    global _worker  # noqa: PLW0603 - a pool's process has no other place for what it keeps
    _worker = RowWorker(settings)


def score_rows(pairs: pl.DataFrame) -> Scored:
    """Return the scores by this process's worker."""
    assert _worker is not None
    return _worker.score(pairs)
