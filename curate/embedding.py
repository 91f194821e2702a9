"""From pairs and settings to features: the one embedding pass that everything shares."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import polars as pl

from curate.config import EmbedderConfig
from curate.context import Progress

if TYPE_CHECKING:
    from curate.models.features import Features


def embed_frame(
    pairs: pl.DataFrame, settings: EmbedderConfig, store: str | None, progress: Progress
) -> tuple[Features, dict[str, Any]]:
    """Features of a pair table, and what the manifest says of how they were made.

    Raises:
        CurateError: the model or the device cannot be used.
    """
    from curate.models.embedder import Embedder
    from curate.models.features import embed_pairs
    from curate.store import open_store

    started = time.perf_counter()
    embedder = Embedder(**dict(settings))
    features = embed_pairs(pairs, embedder, open_store(store), progress)
    facts = {
        "model": embedder.name,
        "fingerprint": embedder.fingerprint,
        "device": embedder.device,
        "texts": len(features.vectors),
        "dimensions": features.vectors.shape[1],
        "cached": features.cached,
        "seconds": time.perf_counter() - started,
    }
    return features, facts
