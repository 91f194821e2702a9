"""Vectors and style counts of a pair table's texts, shared by all scorers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from curate.data.table import BATCH_ROWS, batch_slices

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ALL = slice(None)
FeatureKind = Literal["embedding", "both", "length"]
"""Features of an answer for a head: its embedding; embedding, style and closeness to the prompt; or
only the log of its length."""


@dataclass(frozen=True)
class Features:
    """Vectors of the distinct texts, and which of them each pair's parts are.

    Attributes:
        vectors: (texts, dim), rows of length 1; float32 or float16, possibly in a mapped file.
        style: (texts, features) of `text_style`.
        index: part ("prompt", "chosen", "rejected") to (pairs,) rows of `vectors` and `style`.
        cached: whether the vectors came from the store.

    Examples:
        >>> index = {"prompt": np.array([0]), "chosen": np.array([1]), "rejected": np.array([2])}
        >>> features = Features(np.eye(3, dtype=np.float32), np.zeros((3, 1), np.float32), index)
        >>> features.of("chosen").tolist(), features.directions().round(2).tolist()
        ([[0.0, 1.0, 0.0]], [[0.0, 0.71, -0.71]])
    """

    vectors: NDArray[np.floating]
    style: NDArray[np.float32]
    index: dict[str, NDArray[np.int64]]
    cached: bool = False

    def of(self, part: str, rows: slice | NDArray[np.int64] = _ALL) -> NDArray[np.float32]:
        """Return the vectors of one side of these pairs, (pairs, dim)."""
        return np.asarray(self.vectors[self.index[part][rows]], dtype=np.float32)

    def directions(self, rows: slice | NDArray[np.int64] = _ALL) -> NDArray[np.float64]:
        """Return chosen minus rejected, normalised to length 1, (pairs, dim); 0 if equal."""
        # float64: the small difference of two similar answers is not rounded once more.
        difference = self.of("chosen", rows).astype(np.float64) - self.of("rejected", rows)
        norms = np.linalg.norm(difference, axis=1, keepdims=True)
        directions: NDArray[np.float64] = difference / np.where(norms > 0, norms, 1.0)
        return directions

    def distinct(self, part: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of a side's distinct texts, ascending, and each pair's index into them.

        A mask instead of sorting: no memory per pair if the rows are the first ones, as those of
        prompts are.
        """
        index = self.index[part]
        # Marks and a running sum: np.unique would sort millions of numbers.
        marks = np.zeros(len(self.vectors), dtype=np.bool_)
        marks[index] = True
        rows = np.flatnonzero(marks)
        # Rows 0, 1, 2, ... without a gap: the index is right as it is.
        if len(rows) and rows[-1] == len(rows) - 1:
            return rows, index
        return rows, (np.cumsum(marks) - 1)[index]

    def cosines(self, part: str, other: str = "prompt") -> NDArray[np.float32]:
        """Return the cosine similarity of two sides of each pair, (pairs,)."""
        out = np.empty(len(self.index[part]), dtype=np.float32)
        for rows in batch_slices(len(out), BATCH_ROWS):
            # Vectors have unit length, so that the product is the cosine.
            out[rows] = np.einsum("nd,nd->n", self.of(other, rows), self.of(part, rows))
        return out

    def take(self, rows: NDArray[np.int64]) -> Features:
        """Return the features of the pairs with these row numbers; vectors are shared."""
        return replace(self, index={part: index[rows] for part, index in self.index.items()})

    def flipped(self, flips: NDArray[np.bool_]) -> Features:
        """Return the features with chosen and rejected swapped where `flips` is true."""
        chosen, rejected = self.index["chosen"], self.index["rejected"]
        index = {
            "prompt": self.index["prompt"],
            "chosen": np.where(flips, rejected, chosen),
            "rejected": np.where(flips, chosen, rejected),
        }
        return replace(self, index=index)
