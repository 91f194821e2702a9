"""From pairs and settings to features: the one embedding pass that everything shares."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import polars as pl

from curate.config import EmbedderConfig
from curate.context import Progress
from curate.models.lm.spec import Inference, ModelSpec

if TYPE_CHECKING:
    from curate.models.features import Features
    from curate.store import Store


def embed_frame(
    pairs: pl.DataFrame,
    settings: EmbedderConfig,
    store: str | None,
    progress: Progress,
    inference: Inference | None = None,
) -> tuple[Features, dict[str, Any]]:
    """Features of a pair table, and what the manifest says of how they were made.

    Args:
        pairs: the pair table.
        settings: of the embedder.
        store: as in pipeline.yaml.
        progress: where progress is shown.
        inference: how a language model is run, for hidden states.

    Raises:
        CurateError: the model or the device cannot be used.
    """
    from curate.store import open_store

    started = time.perf_counter()
    make = _hidden_states if settings.pooling == "last_token" else _sentences
    features, facts = make(pairs, settings, open_store(store), progress, inference or Inference())
    facts |= {
        "texts": len(features.vectors),
        "dimensions": features.vectors.shape[1],
        "cached": features.cached,
        "seconds": time.perf_counter() - started,
    }
    return features, facts


def _sentences(
    pairs: pl.DataFrame,
    settings: EmbedderConfig,
    store: Store | None,
    progress: Progress,
    inference: Inference,  # noqa: ARG001
) -> tuple[Features, dict[str, Any]]:
    from curate.models.embedder import Embedder
    from curate.models.features import embed_pairs
    from curate.models.static import STATIC, StaticEmbedder

    s = settings
    embedder: Embedder | StaticEmbedder = (
        StaticEmbedder(s.max_tokens)
        if s.name == STATIC
        else Embedder(s.name, s.device, s.batch_tokens, s.max_tokens)
    )
    features = embed_pairs(pairs, embedder, store, progress)
    return features, {
        "model": embedder.name,
        "fingerprint": embedder.fingerprint,
        "device": embedder.device,
    }


def _hidden_states(
    pairs: pl.DataFrame,
    settings: EmbedderConfig,
    store: Store | None,
    progress: Progress,
    inference: Inference,
) -> tuple[Features, dict[str, Any]]:
    from curate.models.lm.hidden import hidden_features
    from curate.models.lm.language_model import LanguageModel
    from curate.models.lm.loading import devices_of

    model = LanguageModel(ModelSpec(name=settings.name), inference)
    features = hidden_features(pairs, model, store, progress)
    return features, {
        "model": settings.name,
        "fingerprint": "/".join(model.identity),
        "device": ", ".join(devices_of(inference)),
    }
