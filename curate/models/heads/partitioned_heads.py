"""Linear heads solved from sums over parts of the pairs, which lie with workers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from curate.models.heads.folds import fold_weight_matrix
from curate.models.heads.held_out_values import HeadValues, gather_held_out_values
from curate.models.heads.linear import RowLosses
from curate.models.heads.partitions import FeatureColumns, PairPartitions

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PartitionedLosses:
    """`curate.models.heads.linear.HeadLosses` over parts.

    Args:
        partitions: the pairs.
        columns: the features that heads see.
        assigned: (pairs, repeats) fold of each pair in each repeat.
        voting: (pairs,) whether a pair may teach.
        folds: how many there are.
    """

    def __init__(
        self,
        partitions: PairPartitions,
        columns: FeatureColumns,
        assigned: NDArray[np.integer],
        voting: NDArray[np.bool_],
        folds: int,
    ) -> None:
        place = partitions.workers.place
        self._map, self._features, self._folds = partitions.workers.map, columns, folds
        fold_partitions, voting_partitions = partitions.split(assigned), partitions.split(voting)
        # Placed once: each pass over the pairs reads them anew.
        self._columns = partitions.differences, place(fold_partitions), place(voting_partitions)

    def sums(self) -> tuple[Tensor, Tensor]:
        """Return the sums over all partitions; see `HeadLosses.sums`."""
        each = self._map(partial(_sums, self._features, self._folds), *self._columns)
        # Added in the order of the partitions: floating-point sums must not depend on who is
        # faster.
        gram, cross = next(each)
        for more_gram, more_cross in each:
            gram, cross = gram + more_gram, cross + more_cross
        return torch.from_numpy(gram), torch.from_numpy(cross)

    def slope(self, coefficients: Tensor) -> Tensor:
        """Return the slope over all partitions; see `HeadLosses.slope`."""
        slope_of_partition = partial(_slope, self._features, self._folds, coefficients.numpy())
        return torch.from_numpy(sum(self._map(slope_of_partition, *self._columns)))


class PartitionedAnswerFeatures:
    """`curate.models.heads.held_out_values.AnswerFeatures` of heads that see only differences.

    Args:
        partitions: the pairs.
        columns: the features that heads see.
    """

    def __init__(self, partitions: PairPartitions, columns: FeatureColumns) -> None:
        self._parts, self._columns = partitions, columns

    def held_out_values(
        self, compute_values: HeadValues, head_index: Tensor
    ) -> NDArray[np.float64]:
        """Return the values from all partitions; see `gather_held_out_values`."""
        partitions = self._parts
        each = partial(_values, self._columns, compute_values)
        head_index_partitions = partitions.split(head_index.numpy())
        return partitions.joined(
            partitions.workers.map(each, partitions.differences, head_index_partitions)
        )


def _losses(
    columns: FeatureColumns,
    folds: int,
    differences: NDArray[np.float32],
    assigned: NDArray[np.integer],
    voting: NDArray[np.bool_],
) -> RowLosses:
    weights = torch.from_numpy(fold_weight_matrix(assigned, voting, folds))
    return RowLosses(*columns.answers(differences), weights)


def _sums(
    columns: FeatureColumns, folds: int, *part: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    gram, cross = _losses(columns, folds, *part).sums()
    return gram.numpy(), cross.numpy()


def _slope(
    columns: FeatureColumns, folds: int, coefficients: NDArray[np.float64], *part: NDArray[Any]
) -> NDArray[np.float64]:
    losses = _losses(columns, folds, *part)
    slope: NDArray[np.float64] = losses.slope(torch.from_numpy(coefficients)).numpy()
    return slope


def _values(
    columns: FeatureColumns,
    compute_values: HeadValues,
    differences: NDArray[np.float32],
    head_index: NDArray[np.integer],
) -> NDArray[np.float32]:
    # Four bytes a value on their way; heads compute in single precision anyway.
    values = gather_held_out_values(
        # A copy: arrays in shared memory are read-only, and torch would allow writes to them.
        compute_values,
        *columns.answers(differences),
        torch.from_numpy(head_index.copy()),
    )
    return values.astype(np.float32)
