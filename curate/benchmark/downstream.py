"""Whether training on what is kept is better: fresh heads, tested on clean held-out pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from curate.benchmark.data import BenchData
from curate.models.heads.linear import solve_heads

if TYPE_CHECKING:
    from numpy.typing import NDArray

_L2 = 10.0
"""Precision of the prior on coefficients of blocks of norm 1, as of scorers' heads."""


@dataclass(frozen=True)
class Weights:
    """How strongly a trainer learns each pair.

    Attributes:
        label: (pairs,) weight of the pair with its label, not negative.
        flipped: (pairs,) weight of the pair with the label flipped.
    """

    label: NDArray[np.float64]
    flipped: NDArray[np.float64] | None = None

    def column(self) -> NDArray[np.float64]:
        """Return both weights, one below the other, (2 pairs,)."""
        flipped_weight = np.zeros(len(self.label)) if self.flipped is None else self.flipped
        return np.concatenate([self.label, flipped_weight])


def accuracy_by_weighting(
    train: BenchData, test: BenchData, weights: dict[str, Weights], style: bool = True
) -> dict[str, float]:
    """Return the share of `test` that a fresh head ranks right, for each way to weigh; see
    `ranked_right`.
    """
    means = ranked_right(train, test, weights, style).mean(axis=0)
    return {name: float(value) for name, value in zip(weights, means, strict=True)}


def ranked_right(
    train: BenchData, test: BenchData, weights: dict[str, Weights], style: bool = True
) -> NDArray[np.float64]:
    """Return whether a fresh reward head ranks each test pair as its label does, (tests, weights).

    A Bradley-Terry head, linear in `BenchData.blocks`, is solved for each weighting. A margin of 0
    counts half.

    Args:
        train: pairs with the labels that a trainer would see.
        test: pairs with no prompt of `train`.
        weights: weights by name.
        style: whether heads also see style, counts and length besides embeddings.
    """
    # The embedding is the first of the blocks.
    width = None if style else train.features.vectors.shape[1]
    table = np.stack([w.column() for w in weights.values()], axis=1).astype(np.float32)
    # Rows that weigh nothing in every weighting cost time and teach nothing.
    used = table.sum(axis=1) > 0
    blocks = train.blocks[:, :width]
    # A flipped label is the swapped pair.
    training_rows = torch.from_numpy(np.concatenate([blocks, -blocks])[used])
    heads = solve_heads(
        training_rows, torch.zeros(()).expand_as(training_rows), torch.from_numpy(table[used]), _L2
    )
    margins = test.blocks[:, :width] @ heads.numpy()
    right: NDArray[np.float64] = (np.sign(margins) + 1.0) / 2.0
    return right
