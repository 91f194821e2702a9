"""Vectors and style counts of a pair table's texts, shared by all scorers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from curate.data.table import BATCH_ROWS, batches

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ALL = slice(None)
FeatureKind = Literal["embedding", "both", "length"]
"""What a head sees of an answer: its embedding; that, its style and its closeness to the prompt; or
the log of its length alone."""


@dataclass(frozen=True)
class Features:
    """Vectors of the distinct texts, and which of them each pair's parts are.

    Attributes:
        vectors: (texts, dim), rows of length 1; float32 or float16, possibly in a mapped file.
        style: (texts, features) of `text_style`.
        index: part ("prompt", "chosen", "rejected") to (pairs,) rows of `vectors` and `style`.
        cached: whether the vectors came from the store.
    """

    vectors: NDArray[np.floating]
    style: NDArray[np.float32]
    index: dict[str, NDArray[np.int64]]
    cached: bool = False

    def of(self, part: str, rows: slice | NDArray[np.int64] = _ALL) -> NDArray[np.float32]:
        """Vectors of "prompt", "chosen" or "rejected" of these pairs, (pairs, dim)."""
        return np.asarray(self.vectors[self.index[part][rows]], dtype=np.float32)

    def directions(self, rows: slice | NDArray[np.int64] = _ALL) -> NDArray[np.float64]:
        """Chosen minus rejected of these pairs to length 1, (pairs, dim); 0 where equal."""
        difference = self.of("chosen", rows).astype(np.float64) - self.of("rejected", rows)
        norms = np.linalg.norm(difference, axis=1, keepdims=True)
        found: NDArray[np.float64] = difference / np.where(norms > 0, norms, 1.0)
        return found

    def distinct(self, part: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the distinct texts of a part, ascending, and which of them each pair has.

        By marks, not by sorting: a pair costs no memory where the rows are the first ones, as those
        of prompts are.
        """
        index = self.index[part]
        marks = np.zeros(len(self.vectors), dtype=np.bool_)
        marks[index] = True
        rows = np.flatnonzero(marks)
        if len(rows) and rows[-1] == len(rows) - 1:
            return rows, index
        return rows, (np.cumsum(marks) - 1)[index]

    def cosines(self, part: str, other: str = "prompt") -> NDArray[np.float32]:
        """Cosine of two parts of each pair, (pairs,)."""
        out = np.empty(len(self.index[part]), dtype=np.float32)
        for rows in batches(len(out), BATCH_ROWS):
            out[rows] = np.einsum("nd,nd->n", self.of(other, rows), self.of(part, rows))
        return out

    def flipped(self, flips: NDArray[np.bool_]) -> Features:
        """The features of the same pairs with chosen and rejected exchanged where `flips` holds."""
        chosen, rejected = self.index["chosen"], self.index["rejected"]
        index = {
            "prompt": self.index["prompt"],
            "chosen": np.where(flips, rejected, chosen),
            "rejected": np.where(flips, chosen, rejected),
        }
        return replace(self, index=index)
