"""What linear heads see of all pairs, in parts that lie with workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from curate.data.table import BATCH_ROWS, batch_slices
from curate.models.heads.answer_features import STYLE_SCALE, scale_factor
from curate.models.heads.prompt_order import PromptOrder
from curate.models.text.style import LENGTH, STYLE_FEATURES
from curate.steps.context import Context
from curate.steps.features import FeatureKind, Features
from curate.steps.workers import RemoteValue, Workers
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows of a part: 50 MB of differences, and of usual texts 100, at most; and work for longer than
# its way takes.
_MAX_ROWS, _MIN_ROWS = 32_768, 512
_PER_WORKER = 2
"""Parts of a small set for each worker, so that all have work to the end."""
TEXTS = ("prompt", "chosen", "rejected")


@dataclass(frozen=True)
class PairPartitions:
    """Pairs in the order of fold and prompt; all pairs of a prompt lie in one part.

    Attributes:
        workers: with whom the parts lie.
        scratch: where the result is stored.
        order: of the pairs.
        folds: ranges of rows in that order, of each fold.
        differences: of each range (rows, d) float32, chosen minus rejected: embeddings, style, and
            the cosine of the answer to the prompt.
        squares: (d,) mean of their squares over all pairs.
    """

    workers: Workers
    scratch: ScratchSpace
    order: PromptOrder
    folds: list[list[slice]]
    differences: list[RemoteValue]
    squares: NDArray[np.float64]

    @property
    def ranges(self) -> list[slice]:
        """Return all parts' ranges of rows."""
        return [rows for fold in self.folds for rows in fold]

    @property
    def dim(self) -> int:
        """Return the number of embedding columns."""
        return embedded_columns(len(self.squares))

    def split(self, values: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Yield the values of each part, of one value a pair as in the pair table, part by part."""
        return (values[self.order.rows[rows]] for rows in self.ranges)

    def joined(self, partition_values: Iterable[NDArray[Any]]) -> NDArray[np.float64]:
        """Return one value, or row of values, a pair as in the pair table, of those of each
        part."""
        out: NDArray[np.float64] | None = None
        for rows, values in zip(self.ranges, partition_values, strict=True):
            if out is None:
                shape = (len(self.order.rows), *values.shape[1:])
                out = self.scratch.array("values of parts", shape, np.float64)
            out[self.order.rows[rows]] = values
        return np.empty(0) if out is None else out


def embedded_columns(columns: int) -> int:
    """Return how many of the columns of differences are embeddings: style and the cosine follow
    them."""
    return columns - len(STYLE_FEATURES) - 1


def pair_partitions(pairs: pl.DataFrame, context: Context) -> PairPartitions:
    """Return the parts of the run's pairs, which scorers share."""
    return context.view(pairs).cached("pair parts", lambda: _partition_pairs(pairs, context))


def _partition_pairs(pairs: pl.DataFrame, context: Context) -> PairPartitions:
    workers, features = context.workers, context.view(pairs).features
    assert workers is not None
    keys = pairs["pair_id"], context.vote_keys(pairs)["prompt"]
    order = PromptOrder.of(*keys, context.scratch)
    # Large enough that a part's work outweighs its way, small enough that all have some.
    size = min(max(len(pairs) // (_PER_WORKER * workers.count), _MIN_ROWS), _MAX_ROWS)
    folds = [order.cuts(fold, size) for fold in order.folds]
    total = np.zeros(features.vectors.shape[1] + len(STYLE_FEATURES) + 1)

    def partition_differences(rows: slice) -> NDArray[np.float32]:
        nonlocal total
        differences = _answer_differences(features, order.rows[rows])
        total += np.square(differences, dtype=np.float64).sum(axis=0)
        return differences

    differences = workers.place(partition_differences(rows) for fold in folds for rows in fold)
    return PairPartitions(
        workers, context.scratch, order, folds, differences, total / max(len(pairs), 1)
    )


def _answer_differences(features: Features, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return chosen minus rejected of some pairs: embeddings, style, cosine to the prompt; (rows,
    d)."""
    dim, styles = features.vectors.shape[1], features.style.shape[1]
    out = np.empty((len(rows), dim + styles + 1), dtype=np.float32)
    # A part at once would hold three times as much on the way.
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

    def answers(self, differences: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Return stand-ins for chosen and rejected, for heads that see only their difference."""
        chosen = torch.from_numpy(differences[:, self.columns] * self.factor)
        # The difference against zero; expand_as costs no memory.
        return chosen, torch.zeros(1, 1).expand_as(chosen)
