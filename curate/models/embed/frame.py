"""From pairs and settings to features: the one embedding pass that everything shares."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from curate.data.media_answers import media_answer_columns
from curate.models.embed.choice import choose_embedder
from curate.models.embed.report import EmbeddingReport, TruncatedTexts
from curate.models.embed.settings import AUTO, SHIPPED, STATIC, EmbedderConfig
from curate.steps.context import Context, Progress, SilentProgress
from curate.steps.models import Inference, ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from curate.models.embed.embedder import Embedder
    from curate.models.embed.pair_embeddings import TextEmbedder
    from curate.models.embed.static import StaticEmbedder
    from curate.models.media.media_set import MediaSet
    from curate.steps.features import Features
    from curate.store.scratch import ScratchSpace
    from curate.store.store import Store


def embed_frame(
    pairs: pl.DataFrame,
    settings: EmbedderConfig,
    store: Store | str | None,
    progress: Progress,
    inference: Inference | None = None,
    scratch: ScratchSpace | None = None,
    load: Callable[[EmbedderConfig], TextEmbedder] | None = None,
    media: Callable[[str], MediaSet] | Sequence[Path] = (),
) -> tuple[Features, EmbeddingReport]:
    """Return features of a pair table, and how they were made.

    Args:
        pairs: the pair table.
        settings: of the embedder.
        store: an open one, or as in pipeline.yaml.
        progress: where progress is shown.
        inference: how a language model is run, for hidden states.
        scratch: where the vectors are stored; default memory.
        load: gives a sentence embedder; default loads it in this process.
        media: gives the images or audios of a column, or the folders of their files.

    Raises:
        CurateError: the model or the device cannot be used, or does not embed what answers are.
    """
    from curate.store.store import open_store

    started = time.perf_counter()
    settings, choice_note = choose_embedder(settings, pairs)
    opened_store = open_store(store) if store is None or isinstance(store, str) else store
    features, report = _embed_by_kind(
        pairs, settings, opened_store, progress, inference, scratch, load, media
    )
    texts, dimensions = features.vectors.shape
    vectors = replace(report, texts=texts, dimensions=dimensions, cached=features.cached)
    return features, replace(vectors, seconds=time.perf_counter() - started, choice=choice_note)


def _embed_by_kind(
    pairs: pl.DataFrame,
    settings: EmbedderConfig,
    store: Store | None,
    progress: Progress,
    inference: Inference | None,
    scratch: ScratchSpace | None,
    load: Callable[[EmbedderConfig], TextEmbedder] | None,
    media: Callable[[str], MediaSet] | Sequence[Path],
) -> tuple[Features, EmbeddingReport]:
    """Embed with the model type that the settings and the answers require."""
    # Media answers decide: a text embedder would see only their placeholders.
    if settings.media and media_answer_columns(pairs):
        return _embed_media(pairs, settings, store, progress, scratch, media)
    if settings.pooling == "last_token":
        return _embed_with_hidden_states(pairs, settings, store, progress, inference or Inference())
    embedder = (load or text_embedder)(settings)
    return _embed_with_text_model(pairs, embedder, settings.dtype, store, progress, scratch)


def embed_texts(
    texts: list[str], settings: EmbedderConfig, inference: Inference
) -> NDArray[np.float32]:
    """Return vectors of texts that are no part of a pair, such as evaluation prompts, (texts,
    dim)."""
    from curate.data.table import MESSAGES, plain_message

    if settings.name == AUTO:
        settings = settings.model_copy(update={"name": SHIPPED})
    if settings.pooling != "last_token":
        embedder: Embedder | StaticEmbedder = text_embedder(settings)
        return embedder.encode(texts)
    turn = pl.concat_list(plain_message("user", pl.col("text"))).cast(MESSAGES)
    empty = pl.lit([], dtype=MESSAGES)
    frame = pl.DataFrame({"text": texts}).select(prompt=turn, chosen=empty, rejected=empty)
    features, _ = embed_frame(frame, settings, None, SilentProgress(), inference)
    return features.of("prompt")


def standalone_context(
    settings: EmbedderConfig, store: str | None, seed: int, progress: Progress
) -> Context:
    """Return a context outside a run, for commands that look at a data set as a whole."""
    from curate.models.embed.device import choose_device
    from curate.store.store import open_store

    device = choose_device(settings.device)
    return Context(seed=seed, device=device, progress=progress, store=open_store(store))


def text_embedder(settings: EmbedderConfig) -> Embedder | StaticEmbedder:
    """Return the embedder of the settings, loaded."""
    from curate.models.embed.embedder import Embedder
    from curate.models.embed.static import StaticEmbedder

    s = settings
    if s.name == STATIC:
        return StaticEmbedder(s.max_tokens)
    return Embedder(s.name, s.device, s.batch_tokens, s.max_tokens, s.backend)


def _embed_with_text_model(
    pairs: pl.DataFrame,
    embedder: TextEmbedder,
    dtype: str,
    store: Store | None,
    progress: Progress,
    scratch: ScratchSpace | None,
) -> tuple[Features, EmbeddingReport]:
    from curate.models.embed.pair_embeddings import count_truncated_texts, embed_pairs

    features = embed_pairs(pairs, embedder, store, progress, scratch, dtype)
    return features, _report_of(embedder, count_truncated_texts(pairs, embedder))


def _report_of(embedder: TextEmbedder, truncated: TruncatedTexts | None) -> EmbeddingReport:
    """Return the report of an embedder, with the texts that it truncates."""
    return EmbeddingReport(
        embedder.name,
        embedder.fingerprint,
        embedder.device,
        int8=embedder.rounding_error,
        seen_in_part=truncated,
        cut=None if truncated is None else truncated.warning(embedder.name),
    )


def _embed_media(
    pairs: pl.DataFrame,
    settings: EmbedderConfig,
    store: Store | None,
    progress: Progress,
    scratch: ScratchSpace | None,
    media: Callable[[str], MediaSet] | Sequence[Path],
) -> tuple[Features, EmbeddingReport]:
    from curate.models.embed.pair_embeddings import count_truncated_texts
    from curate.models.media.media_embedder import media_embedder
    from curate.models.media.media_features import embed_media_pairs
    from curate.models.media.media_set import MediaSet

    embedder = media_embedder(settings, media_answer_columns(pairs))
    # One set a kind, whoever asks: it knows what was looked at.
    sets = media if callable(media) else cache(partial(MediaSet, pairs, folders=tuple(media)))
    features, counts = embed_media_pairs(
        pairs, embedder, sets, store, progress, scratch, settings.dtype
    )
    # Captions too: CLIP takes 77 tokens.
    report = _report_of(embedder, count_truncated_texts(pairs, embedder))
    return features, replace(
        report,
        media=counts["media"],
        media_not_seen=counts["media_not_seen"],
        pairs_not_seen=counts["pairs_not_seen"],
    )


def _embed_with_hidden_states(
    pairs: pl.DataFrame,
    settings: EmbedderConfig,
    store: Store | None,
    progress: Progress,
    inference: Inference,
) -> tuple[Features, EmbeddingReport]:
    from curate.models.embed.pair_embeddings import evenly_spaced_sample
    from curate.models.lm.hidden import count_truncated, hidden_features
    from curate.models.lm.language_model import LanguageModel
    from curate.models.lm.loading import devices_of

    model = LanguageModel(ModelSpec(name=settings.name), inference)
    features = hidden_features(pairs, model, store, progress)
    texts, cut = count_truncated(evenly_spaced_sample(pairs), model)
    warning = (
        f"{settings.name} sees the last {inference.max_prompt_tokens:,} tokens of a prompt and "
        f"the first {inference.max_answer_tokens:,} of an answer: {cut:,} of {texts:,} "
        "sampled conversations are longer"
    )
    fingerprint, device = "/".join(model.identity), ", ".join(devices_of(inference))
    return features, EmbeddingReport(
        settings.name, fingerprint, device, cut=warning if cut else None
    )
