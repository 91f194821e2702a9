"""Embeddings of a pair table: each distinct text once, shared by all scorers."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from torch import Tensor

from curate.pairs import messages_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.context import Progress
    from curate.models.embedder import Embedder
    from curate.store import Store

_PARTS = ("prompt", "chosen", "rejected")


@dataclass(frozen=True)
class Features:
    """Vectors of the distinct texts, and which of them each pair's parts are.

    Attributes:
        vectors: (texts, dim), rows of length 1.
        index: part ("prompt", "chosen", "rejected") to (pairs,) rows of `vectors`.
        cached: whether the vectors came from the store.
    """

    vectors: NDArray[np.float32]
    index: dict[str, NDArray[np.int64]]
    cached: bool = False

    @property
    def prompt(self) -> NDArray[np.float32]:
        """Prompt vectors, (pairs, dim)."""
        return self.vectors[self.index["prompt"]]

    @property
    def chosen(self) -> NDArray[np.float32]:
        """Vectors of the preferred answers, (pairs, dim)."""
        return self.vectors[self.index["chosen"]]

    @property
    def rejected(self) -> NDArray[np.float32]:
        """Vectors of the other answers, (pairs, dim)."""
        return self.vectors[self.index["rejected"]]

    def answers(self, device: str = "cpu") -> tuple[Tensor, Tensor]:
        """Chosen and rejected, scaled so that their differences have root-mean-square norm 1."""
        chosen, rejected = self.chosen, self.rejected
        norm = float(np.sqrt(np.square(chosen - rejected, dtype=np.float64).sum(1).mean()))
        scale = np.float32(1.0 / norm if norm > 0 else 1.0)
        tensors = (torch.from_numpy(part * scale).to(device) for part in (chosen, rejected))
        first, second = tensors
        return first, second


def distinct_texts(pairs: pl.DataFrame) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
    """All distinct texts in sorted order, and each part's (pairs,) positions among them."""
    parts = pairs.select(messages_text(p).alias(p) for p in _PARTS)
    texts = pl.concat([parts[p].alias("text") for p in _PARTS])
    ranks = texts.rank("dense").to_numpy().astype(np.int64) - 1
    index = dict(zip(_PARTS, ranks.reshape(len(_PARTS), -1), strict=True))
    return texts.unique().sort().to_list(), index


def embed_pairs(
    pairs: pl.DataFrame, embedder: Embedder, store: Store | None, progress: Progress
) -> Features:
    """Embed each distinct text of the pairs once, or take the vectors from the store."""
    texts, index = distinct_texts(pairs)
    digest = blake2b(embedder.fingerprint.encode(), digest_size=16)
    for text in texts:
        digest.update(len(text).to_bytes(8, "big") + text.encode())
    key = f"embeddings/{digest.hexdigest()}"
    cached = store.get_array(key) if store is not None else None
    if cached is not None:
        return Features(cached, index, cached=True)
    vectors = embedder.encode(texts, progress)
    if store is not None:
        store.put_array(key, vectors)
    return Features(vectors, index)
