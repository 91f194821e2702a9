"""The one embedding pass of a run: each distinct text once, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.data.hashes import KEY_BYTES, hash_bytes, hash_halves, numbers_by_appearance
from curate.data.prefetch import read_ahead
from curate.data.process import release_free_memory
from curate.data.table import BATCH_ROWS, batch_slices, gather_pairs, messages_text
from curate.models.embed.report import RoundingError, TruncatedTexts
from curate.models.text.style import STYLE_FEATURES, text_style
from curate.steps.features import Features
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from curate.steps.context import Progress, Task
    from curate.store.store import Store
    from curate.store.vectors import VectorStore

TEXT_COLUMNS = ("prompt", "chosen", "rejected")
_LOOKED_AT = 200
"""Pairs whose texts are counted in tokens."""


Texts = tuple[NDArray[np.int64], list[str]]
"""Some of a run's distinct texts, and their numbers."""
Vectors = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Vectors of some texts, (texts, dim), and the texts' numbers."""


class TextEmbedder(Protocol):
    """Turns texts into vectors of length 1."""

    name: str
    device: str
    rounding_error: RoundingError | None

    @property
    def max_tokens(self) -> int | None:
        """Return the most tokens that the model sees of a text; None: no limit."""

    @property
    def fingerprint(self) -> str:
        """Return what the vectors depend on besides the text."""

    @property
    def dim(self) -> int:
        """Return the dimension of a vector."""

    def stream(self, texts: Iterator[Texts]) -> Iterator[Vectors]:
        """Yield vectors of all the texts, in any order."""

    def count_cut(self, texts: list[str]) -> int:
        """Return how many of the texts are longer than `max_tokens`."""


def evenly_spaced_sample(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return at most 200 evenly spaced pairs, for checks that read the texts a second time."""
    return gather_pairs(pairs, np.arange(0, len(pairs), max(-(-len(pairs) // _LOOKED_AT), 1)))


def count_truncated_texts(pairs: pl.DataFrame, embedder: TextEmbedder) -> TruncatedTexts | None:
    """Count the texts of a sample of pairs that the embedder truncates; None if none is."""
    if embedder.max_tokens is None or not len(pairs):
        return None
    read = evenly_spaced_sample(pairs).select(
        messages_text(part).alias(part) for part in TEXT_COLUMNS
    )
    texts = pl.concat([read[part].alias("text") for part in TEXT_COLUMNS]).unique().to_list()
    cut = embedder.count_cut(texts)
    return TruncatedTexts(len(texts), cut, embedder.max_tokens) if cut else None


def text_index(
    pairs: pl.DataFrame, scratch: ScratchSpace | None = None
) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.int64]]:
    """Return numbers of the distinct texts: all prompts as they first appear, then answers.

    Args:
        pairs: the pair table.
        scratch: where the index is stored; default memory.

    Returns:
        Each part's (pairs,) numbers, and (texts,) where each text first stands, counted through all
        prompts, then all chosen, then all rejected answers.
    """
    scratch = scratch or ScratchSpace()
    hashes = (
        pairs[rows].select(hash_halves(messages_text(part)))
        for part in TEXT_COLUMNS
        for rows in batch_slices(len(pairs), BATCH_ROWS) or [slice(0, 0)]
    )
    texts = scratch.collect("hashes of texts", hashes)
    index = scratch.array("index", (len(TEXT_COLUMNS), len(pairs)), np.int64)
    _, first = numbers_by_appearance(texts, index.reshape(-1))
    first_occurrence = scratch.persist_array("first of texts", first)
    # The hashes are no longer needed, but allocators would keep them until the texts are embedded.
    del first, texts
    release_free_memory()
    return dict(zip(TEXT_COLUMNS, index, strict=True)), first_occurrence


def distinct_batches(
    pairs: pl.DataFrame, first: NDArray[np.int64]
) -> Iterator[tuple[slice, list[str]]]:
    """Yield the distinct texts in the order of their numbers, a few thousand at a time."""
    count = len(pairs)
    for position, part in enumerate(TEXT_COLUMNS):
        for start in range(0, count, BATCH_ROWS):
            begin = position * count + start
            end = position * count + min(start + BATCH_ROWS, count)
            batch_slice = slice(*np.searchsorted(first, [begin, end]).tolist())
            if batch_slice.stop > batch_slice.start:
                batch = pairs[start : start + BATCH_ROWS][first[batch_slice] - begin]
                yield batch_slice, batch.select(t=messages_text(part))["t"].to_list()


def distinct_texts(pairs: pl.DataFrame) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
    """Return all distinct texts, held in memory, and each part's (pairs,) positions among them."""
    index, first = text_index(pairs)
    return [text for _, texts in distinct_batches(pairs, first) for text in texts], index


def embed_pairs(
    pairs: pl.DataFrame,
    embedder: TextEmbedder,
    store: Store | None,
    progress: Progress,
    scratch: ScratchSpace | None = None,
    dtype: str = "float32",
) -> Features:
    """Embed each distinct text of the pairs that the store does not know, and keep it there.

    Args:
        pairs: the pair table.
        embedder: of texts.
        store: keeps vectors batch by batch; a killed run loses the batch at work.
        progress: where progress is shown.
        scratch: where the vectors are stored; default memory.
        dtype: float32 or float16, of the vectors that are kept.
    """
    scratch = scratch or ScratchSpace()
    index, first = text_index(pairs, scratch)
    vectors = scratch.array("vectors", (len(first), embedder.dim), dtype)
    style = scratch.array("style", (len(first), len(STYLE_FEATURES)), "float32")
    opened = nullcontext() if store is None else closing(store.vectors(embedder.fingerprint, dtype))
    keys = scratch.array("text keys", (0 if store is None else len(first),), f"S{KEY_BYTES}")
    table = _TextTable(vectors, style, keys, np.zeros(len(first), dtype=bool))
    with opened as opened_store, progress.task("embed", len(first)) as task:
        batches = distinct_batches(pairs, first)
        unknown_texts = table.take_stored_vectors(batches, opened_store, task)
        for numbers, new_vectors in embedder.stream(unknown_texts):
            vectors[numbers] = new_vectors
            if opened_store is not None:
                opened_store.append(keys[numbers], new_vectors)
            task.advance(len(numbers))
    is_cached = len(first) > 0 and bool(table.is_stored.all())
    return Features(vectors, style, index, cached=is_cached)


@dataclass(frozen=True)
class _TextTable:
    """One row for each distinct text.

    Attributes:
        vectors: the embeddings, (texts, dim).
        style: the style features.
        keys: the keys in the store; empty without a store.
        is_stored: whether the store had the vector, (texts,).
    """

    vectors: NDArray[np.floating]
    style: NDArray[np.float32]
    keys: NDArray[np.bytes_]
    is_stored: NDArray[np.bool_]

    def take_stored_vectors(
        self,
        batches: Iterator[tuple[slice, list[str]]],
        store: VectorStore | None,
        task: Task,
    ) -> Iterator[Texts]:
        """Fill in styles and the vectors of the store; yield the texts that it does not know."""
        styled = ((rows, texts, text_style(texts)) for rows, texts in batches)
        # Texts of the next batch are read and counted while the model works on this one.
        for rows, texts, batch_style in read_ahead(styled):
            self.style[rows], numbers = batch_style, np.arange(rows.start, rows.stop)
            if store is not None:
                self.keys[rows] = text_keys(texts)
                self.is_stored[rows] = store.find(self.keys[rows], self.vectors[rows])
                task.advance(int(self.is_stored[rows].sum()))
                numbers = numbers[~self.is_stored[rows]]
            # A batch whose texts are all stored never reaches the model.
            if len(numbers):
                yield numbers, [texts[i] for i in numbers - rows.start]


def text_keys(texts: list[str]) -> NDArray[np.bytes_]:
    """Return the texts' keys in the store, (texts,)."""
    digests = b"".join(hash_bytes(text.encode()) for text in texts)
    return np.frombuffer(digests, dtype=f"S{KEY_BYTES}")
