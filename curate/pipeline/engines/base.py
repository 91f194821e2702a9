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
        """Who compute on parts of the run's pairs; None where all is computed here."""

    def expect(self, steps: list[ScorerStep]) -> None:
        """The table scorers that will be asked for, so that they may run side by side."""

    def rows(
        self, step: ScorerStep, frames: Iterator[pl.DataFrame], context: Context
    ) -> Iterator[pl.DataFrame]:
        """Scores by a row scorer of each of the frames, in order; none has to be held for long.

        Facts and warnings go into the context.
        """

    def table(self, step: ScorerStep, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Scores by a table scorer of all pairs of the run."""

    def embedder(self, settings: EmbedderConfig) -> TextEmbedder:
        """The sentence embedder of the settings."""

    def close(self) -> None:
        """Let workers go."""


def merge_facts(into: dict[str, Any], more: dict[str, Any]) -> None:
    """Add what another part of the rows told: counts add up, of other values the last one stays."""
    for key, value in more.items():
        if isinstance(value, dict):
            merge_facts(into.setdefault(key, {}), value)
        elif isinstance(value, int) and not isinstance(value, bool):
            into[key] = into.get(key, 0) + value
        else:
            into[key] = value


def take_told(context: Context, facts: dict[str, Any], warnings: list[str]) -> None:
    """Facts and new warnings of a worker into the context."""
    merge_facts(context.facts, facts)
    context.warnings.extend(w for w in warnings if w not in context.warnings)
