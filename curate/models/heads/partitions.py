"""What linear heads see of all pairs, in partitions that lie with workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import polars as pl
import torch
from torch import Tensor

from curate.data.table import BATCH_ROWS, batch_slices
from curate.models.heads.answer_features import STYLE_SCALE, scale_factor
from curate.models.heads.prompt_order import PromptOrder
from curate.models.text.style import LENGTH
from curate.steps.context import Context
from curate.steps.features import FeatureKind, Features
from curate.steps.workers import LocalWorkers, RemoteValue, Workers
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

V = TypeVar("V", bound=np.generic)
# Rows of a partition: 50 MB of differences at most, and work for longer than its way takes.
_MAX_ROWS, _MIN_ROWS = 32_768, 1024
_PARTITIONS = 48
"""Of a medium set, for any number of workers: sums over other partitions round differently."""
TEXTS = ("prompt", "chosen", "rejected")


@dataclass(frozen=True)
class PairPartitions:
    """Pairs in the order of their prompts; all pairs of a prompt lie in one partition.

    Attributes:
        workers: with whom the partitions lie.
        device: torch device on which the workers compute.
        scratch: where the result is stored.
        order: of the pairs.
        ranges: rows of each partition, in that order.
        differences: of each range (rows, d) float32, chosen minus rejected: embeddings, style, and
            the cosine of the answer to the prompt.
        squares: (d,) mean of their squares over all pairs.
        dim: how many of the columns are embeddings; style and the cosine follow them.
    """

    workers: Workers
    device: str
    scratch: ScratchSpace
    order: PromptOrder
    ranges: list[slice]
    differences: list[RemoteValue]
    squares: NDArray[np.float64]
    dim: int

    def split(self, values: NDArray[V]) -> Iterator[NDArray[V]]:
        """Yield the values of each partition, of one value a pair as in the pair table."""
        return (values[self.order.rows[rows]] for rows in self.ranges)

    def joined(self, partition_values: Iterable[NDArray[V]]) -> NDArray[np.float64]:
        """Return one value, or row of values, a pair as in the pair table, of those of each
        partition."""
        out: NDArray[np.float64] | None = None
        for rows, values in zip(self.ranges, partition_values, strict=True):
            if out is None:
                shape = (len(self.order.rows), *values.shape[1:])
                out = self.scratch.array("values of partitions", shape, np.float64)
            out[self.order.rows[rows]] = values
        return np.empty(0) if out is None else out


def pair_partitions(pairs: pl.DataFrame, context: Context) -> PairPartitions:
    """Return the partitions of the pairs, which scorers share."""
    return context.view(pairs).cached("partitions", lambda: _partition_pairs(pairs, context))


def _partition_pairs(pairs: pl.DataFrame, context: Context) -> PairPartitions:
    view, workers = context.view(pairs), context.workers or LocalWorkers(context.scratch)
    features = view.features
    order = PromptOrder.of(pairs["pair_id"], view.vote_keys["prompt"], context.scratch)
    # Large enough that a partition's work outweighs its way, small enough that all have some.
    ranges = order.cuts(min(max(len(pairs) // _PARTITIONS, _MIN_ROWS), _MAX_ROWS))
    differences = workers.place(_answer_differences(features, order.rows[rows]) for rows in ranges)
    dim = features.vectors.shape[1]
    total = np.zeros(dim + features.style.shape[1] + 1)
    for squares in workers.map(_sum_squares, differences):
        total += squares
    return PairPartitions(
        workers,
        context.device if context.workers is None else "cpu",
        context.scratch,
        order,
        ranges,
        differences,
        total / max(len(pairs), 1),
        dim,
    )


def _sum_squares(differences: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the sum of the squares of each column, (d,)."""
    total = np.zeros(differences.shape[1])
    for rows in batch_slices(len(differences), BATCH_ROWS):
        total += np.square(differences[rows], dtype=np.float64).sum(axis=0)
    return total


def _answer_differences(features: Features, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return chosen minus rejected of some pairs: embeddings, style, cosine to the prompt; (rows,
    d)."""
    dim, styles = features.vectors.shape[1], features.style.shape[1]
    out = np.empty((len(rows), dim + styles + 1), dtype=np.float32)
    # A partition at once would hold three times as much on the way.
    for block in batch_slices(len(rows), BATCH_ROWS):
        prompt, chosen, rejected = (features.of(column, rows[block]) for column in TEXTS)
        style = [features.style[features.index[column][rows[block]]] for column in TEXTS[1:]]
        out[block, :dim] = chosen - rejected
        out[block, dim:-1] = style[0] - style[1]
        out[block, -1] = np.einsum("nd,nd->n", prompt, out[block, :dim])
    return out


@dataclass(frozen=True)
class FeatureColumns:
    """Which columns of `PairPartitions.differences` heads see, and what each is multiplied by."""

    columns: slice
    factor: NDArray[np.float32]

    @classmethod
    def of(cls, partitions: PairPartitions, kind: FeatureKind) -> FeatureColumns:
        """Return the columns, scaled as by `answer_feature_matrices`."""
        dim, squares = partitions.dim, partitions.squares
        if kind == "length":
            columns = slice(dim + LENGTH, dim + LENGTH + 1)
            return cls(columns, scale_factor(squares[columns], 1.0))
        embedding_factor = np.broadcast_to(scale_factor(squares[:dim], None), (dim,))
        if kind == "embedding":
            return cls(slice(0, dim), embedding_factor)
        style_factor = scale_factor(squares[dim:], STYLE_SCALE)
        return cls(slice(None), np.concatenate([embedding_factor, style_factor]))

    def scaled(self, differences: NDArray[np.float32], device: str) -> Tensor:
        """Return the scaled columns of some pairs, (rows, columns)."""
        return torch.from_numpy(differences[:, self.columns] * self.factor).to(device)
