"""What embedders that work batch by batch have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from curate.models.embed.report import RoundingError
from curate.steps.context import Progress, SilentProgress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.models.embed.pair_embeddings import Texts, Vectors


class BatchEmbedder(ABC):
    """Turns texts into vectors, some at a time.

    Attributes:
        rounding_error: error of vectors of 8 bits; None for exact ones.
        max_tokens: of a text; longer ones lose their end. None: whole texts are seen.
    """

    rounding_error: RoundingError | None = None
    max_tokens: int | None = None

    @property
    @abstractmethod
    def dim(self) -> int:
        """Return the dimension of a vector."""

    @abstractmethod
    def batches(self, texts: list[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Embeddings of some of the texts at a time, and which they are."""

    @abstractmethod
    def count_cut(self, texts: list[str]) -> int:
        """Return how many of the texts are longer than `max_tokens`."""

    def encode(self, texts: list[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Return embeddings of shape (texts, dim), rows of length 1, in the order of the texts."""
        out = np.empty((len(texts), self.dim), dtype=np.float32)
        with (progress or SilentProgress()).task("embed", len(texts)) as task:
            for rows, vectors in self.batches(texts):
                out[rows] = vectors
                task.advance(len(rows))
        return out

    def stream(self, texts: Iterator[Texts]) -> Iterator[Vectors]:
        """Yield embeddings of numbered texts, block by block."""
        for numbers, block in texts:
            for rows, vectors in self.batches(block):
                yield numbers[rows], vectors
