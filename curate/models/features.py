"""Embeddings of a pair table: each distinct text once, shared by all scorers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
import torch
from torch import Tensor

from curate.models.style import LENGTH, text_style
from curate.pairs import dense_numbers, messages_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.context import Progress
    from curate.models.embedder import Embedder
    from curate.models.static import StaticEmbedder
    from curate.store import Store

_PARTS = ("prompt", "chosen", "rejected")
STYLE_SCALE = 0.3
"""Root-mean-square difference of a style feature beside embeddings, whose norm is 1.

Chosen on Auto-J and LLMBar with injected flips.
"""

FeatureKind = Literal["embedding", "both", "length"]
"""What a head sees of an answer: its embedding; that, its style and its closeness to the prompt; or
the log of its length alone."""


@dataclass(frozen=True)
class Features:
    """Vectors of the distinct texts, and which of them each pair's parts are.

    Attributes:
        vectors: (texts, dim), rows of length 1.
        style: (texts, features) of `text_style`.
        index: part ("prompt", "chosen", "rejected") to (pairs,) rows of `vectors` and `style`.
        cached: whether the vectors came from the store.
    """

    vectors: NDArray[np.float32]
    style: NDArray[np.float32]
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

    def answers(
        self, kind: FeatureKind = "embedding", device: str = "cpu"
    ) -> tuple[Tensor, Tensor]:
        """Features of chosen and rejected answers, (pairs, dim) each.

        Differences of embeddings have a root-mean-square norm of 1, those of a style feature
        `STYLE_SCALE` (1 for the length alone). Scaling does not depend on the labels.
        """
        blocks: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        if kind != "length":
            blocks.append(_scaled(self.chosen, self.rejected, None))
        if kind == "both":
            blocks.append(_scaled(*self._styles(), STYLE_SCALE))
        if kind == "length":
            chosen, rejected = self._styles()
            only = slice(LENGTH, LENGTH + 1)
            blocks.append(_scaled(chosen[:, only], rejected[:, only], 1.0))
        first, second = (
            torch.from_numpy(np.concatenate(parts, axis=1)).to(device)
            for parts in zip(*blocks, strict=True)
        )
        return first, second

    def _styles(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Style of chosen and rejected, and their cosine to the prompt as one more column."""
        prompt = self.prompt
        first, second = (
            np.column_stack(
                [self.style[self.index[part]], (prompt * self.vectors[self.index[part]]).sum(1)]
            )
            for part in ("chosen", "rejected")
        )
        return first, second

    def flipped(self, flips: NDArray[np.bool_]) -> Features:
        """The features of the same pairs with chosen and rejected exchanged where `flips` holds."""
        chosen, rejected = self.index["chosen"], self.index["rejected"]
        index = {
            "prompt": self.index["prompt"],
            "chosen": np.where(flips, rejected, chosen),
            "rejected": np.where(flips, chosen, rejected),
        }
        return replace(self, index=index)


def _scaled(
    chosen: NDArray[np.float32], rejected: NDArray[np.float32], each: float | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both, scaled to a given root-mean-square difference by column, or to norm 1 by row."""
    squares = np.square(chosen - rejected, dtype=np.float64)
    size = np.sqrt(squares.sum(1).mean() if each is None else squares.mean(0))
    factor = (each or 1.0) / np.where(size > 0, size, 1.0)
    return (chosen * factor).astype(np.float32), (rejected * factor).astype(np.float32)


def distinct_texts(pairs: pl.DataFrame) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
    """All distinct texts in sorted order, and each part's (pairs,) positions among them."""
    parts = pairs.select(messages_text(p).alias(p) for p in _PARTS)
    texts = pl.concat([parts[p].alias("text") for p in _PARTS])
    ranks = dense_numbers(texts)
    index = dict(zip(_PARTS, ranks.reshape(len(_PARTS), -1), strict=True))
    return texts.unique().sort().to_list(), index


def embed_pairs(
    pairs: pl.DataFrame,
    embedder: Embedder | StaticEmbedder,
    store: Store | None,
    progress: Progress,
) -> Features:
    """Embed each distinct text of the pairs once, or take the vectors from the store."""
    texts, index = distinct_texts(pairs)
    digest = blake2b(embedder.fingerprint.encode(), digest_size=16)
    for text in texts:
        digest.update(len(text).to_bytes(8, "big") + text.encode())
    key = f"embeddings/{digest.hexdigest()}"
    cached = store.get_array(key) if store is not None else None
    if cached is not None:
        return Features(cached, text_style(texts), index, cached=True)
    vectors = embedder.encode(texts, progress)
    if store is not None:
        store.put_array(key, vectors)
    return Features(vectors, text_style(texts), index)
