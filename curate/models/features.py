"""Features of a pair table, shared by all scorers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from curate.context import batches
from curate.models.rows import Block, FeatureRows
from curate.models.style import LENGTH

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ALL = slice(None)
_BATCH_ROWS = 8192
_ON_DEVICE = 2 << 30
"""Bytes up to which a table of features is moved to the device as a whole."""
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

    def cosines(self, part: str) -> NDArray[np.float32]:
        """Cosine of each pair's prompt and one of its answers, (pairs,)."""
        out = np.empty(len(self.index[part]), dtype=np.float32)
        for rows in batches(len(out), _BATCH_ROWS):
            out[rows] = np.einsum("nd,nd->n", self.of("prompt", rows), self.of(part, rows))
        return out

    def rows(
        self, kind: FeatureKind = "embedding", device: str = "cpu"
    ) -> tuple[FeatureRows, FeatureRows]:
        """Features of chosen and rejected answers, (pairs, dim) each, made as they are asked for.

        Differences of embeddings have a root-mean-square norm of 1, those of a style feature
        `STYLE_SCALE` (1 for the length alone). Scaling does not depend on the labels.
        """
        tables: list[tuple[NDArray[np.floating], dict[str, NDArray[np.int64]], float | None]] = []
        if kind != "length":
            tables.append((self.vectors, self.index, None))
        if kind == "both":
            tables += [(self.style, self.index, STYLE_SCALE), (*self._closeness(), STYLE_SCALE)]
        if kind == "length":
            tables.append((self.style[:, LENGTH : LENGTH + 1], self.index, 1.0))
        made = [_blocks(table, index, each, device) for table, index, each in tables]
        chosen, rejected = zip(*made, strict=True)
        return FeatureRows(list(chosen), device), FeatureRows(list(rejected), device)

    def answers(
        self, kind: FeatureKind = "embedding", device: str = "cpu"
    ) -> tuple[Tensor, Tensor]:
        """The same for all pairs at once, held in memory."""
        chosen, rejected = self.rows(kind, device)
        return chosen[:], rejected[:]

    def _closeness(self) -> tuple[NDArray[np.float32], dict[str, NDArray[np.int64]]]:
        """Cosines of both answers to the prompt as a table of one column, and who stands where."""
        count = len(self.index["chosen"])
        table = np.concatenate([self.cosines("chosen"), self.cosines("rejected")])[:, None]
        numbers = np.arange(count)
        return table, {"chosen": numbers, "rejected": count + numbers}

    def flipped(self, flips: NDArray[np.bool_]) -> Features:
        """The features of the same pairs with chosen and rejected exchanged where `flips` holds."""
        chosen, rejected = self.index["chosen"], self.index["rejected"]
        index = {
            "prompt": self.index["prompt"],
            "chosen": np.where(flips, rejected, chosen),
            "rejected": np.where(flips, chosen, rejected),
        }
        return replace(self, index=index)


def _blocks(
    table: NDArray[np.floating],
    index: dict[str, NDArray[np.int64]],
    each: float | None,
    device: str,
) -> tuple[Block, Block]:
    """Blocks of chosen and rejected, scaled to a given root-mean-square difference by column, or to
    norm 1 by row.
    """
    squares = np.zeros(table.shape[1])
    count = len(index["chosen"])
    for rows in batches(count, _BATCH_ROWS):
        first, second = (table[index[part][rows]] for part in ("chosen", "rejected"))
        difference = first.astype(np.float64) - second
        squares += np.square(difference).sum(axis=0)
    means = squares / max(count, 1)
    size = np.sqrt(means.sum() if each is None else means)
    factor = torch.from_numpy(
        np.asarray((each or 1.0) / np.where(size > 0, size, 1.0), dtype=np.float32)
    )
    values = torch.from_numpy(table)
    if values.nbytes <= _ON_DEVICE:
        values = values.to(device)
    chosen, rejected = (
        Block(values, torch.from_numpy(np.ascontiguousarray(index[part])).to(values.device), factor)
        for part in ("chosen", "rejected")
    )
    return chosen, rejected
