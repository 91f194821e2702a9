"""Whether training on what is kept is better: fresh heads, tested on clean held-out pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from curate.bench.data import BenchData
from curate.models.embed.feature_rows import feature_tables
from curate.models.heads.heads import HeadSpec
from curate.models.heads.out_of_fold import is_solved, train_heads

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Trained heads are averaged over random starts; solved ones have none.
_STARTS = 4


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
        """Both, one below the other: (2 pairs,)."""
        other = np.zeros(len(self.label)) if self.flipped is None else self.flipped
        return np.concatenate([self.label, other])


def accuracies(
    train: BenchData,
    test: BenchData,
    weights: dict[str, Weights],
    seed: int,
    spec: HeadSpec | None = None,
) -> dict[str, float]:
    """Share of `test` that a fresh head ranks right, for each way to weigh; see `ranked_right`."""
    means = ranked_right(train, test, weights, seed, spec).mean(axis=0)
    return {name: float(value) for name, value in zip(weights, means, strict=True)}


def ranked_right(
    train: BenchData,
    test: BenchData,
    weights: dict[str, Weights],
    seed: int,
    spec: HeadSpec | None = None,
) -> NDArray[np.float64]:
    """How often a fresh reward head ranks each test pair as its label does, (tests, weights).

    Linear heads are solved on the embeddings of `train`. Others are trained as one batch, each
    weighting from four starts, over which the mean is taken. A margin of 0 counts half.

    Args:
        train: pairs with the labels that a trainer would see.
        test: pairs with no prompt of `train`.
        weights: by name.
        seed: of starts and batches.
        spec: of the heads.
    """
    spec = spec or HeadSpec()
    table = np.stack([w.column() for w in weights.values()], axis=1).astype(np.float32)
    starts = 1 if is_solved(spec) else _STARTS
    columns = torch.from_numpy(np.repeat(table, starts, axis=1))
    chosen, rejected = feature_tables(train.features)
    # A flipped label is the swapped pair.
    both = torch.cat([chosen, rejected]), torch.cat([rejected, chosen])
    used = columns.sum(dim=1) > 0
    heads = train_heads(both[0][used], both[1][used], columns[used], spec, seed)
    with torch.no_grad():
        better, worse = feature_tables(test.features)
        right = (torch.sign(heads.margins(better, worse)) + 1.0) / 2.0
    each = right.reshape(len(right), len(weights), starts)
    return each.mean(dim=2).numpy().astype(np.float64)
