"""What an engine does: it computes scores and vectors, here or on other machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from curate.pipeline.scorer_step import ScorerStep

if TYPE_CHECKING:
    from curate.models.embed.pair_embeddings import TextEmbedder
    from curate.models.embed.settings import EmbedderConfig
    from curate.steps.context import Context
    from curate.steps.workers import Workers


class Engine(Protocol):
    """Runs scorers and embedders. The results do not depend on which engine it is."""

    @property
    def workers(self) -> Workers | None:
        """Return the workers that hold partitions of the pairs; None if this process does all
        work.
        """

    def expect(self, steps: list[ScorerStep]) -> None:
        """Announce the table scorers that will be called, so that they can run in parallel."""

    def rows(
        self, step: ScorerStep, frames: Iterator[pl.DataFrame], context: Context
    ) -> Iterator[pl.DataFrame]:
        """Return the scores by a row scorer of each of the frames, in order; none has to be held
        for long.

        Facts and warnings go into the context.
        """

    def table(self, step: ScorerStep, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return the scores by a table scorer of all pairs of the run."""

    def embedder(self, settings: EmbedderConfig) -> TextEmbedder:
        """Return the sentence embedder of the settings."""

    def close(self) -> None:
        """Let workers go."""


def merge_facts(into: dict[str, Any], worker_facts: dict[str, Any]) -> None:
    """Add the facts of another batch: counts add up, of other values the last one remains."""
    for key, value in worker_facts.items():
        if isinstance(value, dict):
            merge_facts(into.setdefault(key, {}), value)
        elif isinstance(value, int) and not isinstance(value, bool):
            into[key] = into.get(key, 0) + value
        else:
            into[key] = value


def merge_worker_facts(context: Context, facts: dict[str, Any], warnings: list[str]) -> None:
    """Add a worker's facts and its new warnings to the context."""
    merge_facts(context.facts, facts)
    context.warnings.extend(w for w in warnings if w not in context.warnings)
