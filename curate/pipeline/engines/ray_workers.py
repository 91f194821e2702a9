"""What the actors of a Ray Data pipeline do with a block."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from curate.models.embed.frame import text_embedder
from curate.models.embed.report import RoundingError
from curate.pipeline.engines.worker import RowWorker, WorkerSettings

if TYPE_CHECKING:
    from curate.models.embed.settings import EmbedderConfig

FACTS, NUMBER, TEXT, VECTOR = "__told__", "number", "text", "vector"


class ScoreWorker:
    """Scores blocks of pairs by a row scorer."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._worker = RowWorker(settings)

    def __call__(self, block: pa.Table) -> pa.Table:
        """Return the scores; an extra column holds facts and warnings in its first row."""
        scored = self._worker.score(pl.DataFrame(pl.from_arrow(block)))
        # Ray Data carries tables only, so facts travel as a column; json knows no numbers of numpy.
        facts = json.dumps({"facts": scored.facts, "warnings": scored.warnings}, default=float)
        facts_column = [facts] + [None] * (len(scored.frame) - 1)
        frame = scored.frame.with_columns(
            pl.Series(FACTS, facts_column[: len(scored.frame)], pl.String)
        )
        return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


class EmbedWorker:
    """Embeds blocks of numbered texts."""

    def __init__(self, settings: EmbedderConfig) -> None:
        self._embedder = text_embedder(settings)

    def __call__(self, block: pa.Table) -> pa.Table:
        """Return the numbers and vectors."""
        vectors = self._embedder.encode(block[TEXT].to_pylist())
        lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        return pa.table({NUMBER: block[NUMBER], VECTOR: lists})


def describe_embedder(
    settings: EmbedderConfig,
) -> tuple[str, str, str, int, RoundingError | None, int | None]:
    """Return the name, device, fingerprint, dimension, facts of the vectors, and the longest
    text.
    """
    embedder = text_embedder(settings)
    return (
        embedder.name,
        embedder.device,
        embedder.fingerprint,
        embedder.dim,
        embedder.rounding_error,
        embedder.max_tokens,
    )


def count_truncated_on_worker(settings: EmbedderConfig, texts: list[str]) -> int:
    """Return how many of the texts are longer than the embedder's longest."""
    return text_embedder(settings).count_cut(texts)
