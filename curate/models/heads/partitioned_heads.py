"""Linear heads solved from sums over partitions of the pairs, which lie with workers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from curate.models.heads.folds import fold_weight_matrix
from curate.models.heads.held_out_values import HeadValues, gather_held_out_values
from curate.models.heads.linear import RowLosses
from curate.models.heads.partitions import FeatureColumns, PairPartitions
from curate.steps.workers import LocalWorkers, RemoteValue

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ON_DEVICE = 2 << 30
"""Bytes of features up to which they stay on a device between two passes."""


class DifferenceRows:
    """What linear heads see of all pairs: scaled differences of answers, with workers.

    Args:
        partitions: the pairs.
        columns: the features that heads see.
    """

    def __init__(self, partitions: PairPartitions, columns: FeatureColumns) -> None:
        self.partitions, self.workers = partitions, partitions.workers
        self.reader = DifferenceReader(columns, partitions.device)
        self.values: list[RemoteValue] = partitions.differences
        size = 4 * len(columns.factor) * len(partitions.order.rows)
        if partitions.device != "cpu":
            # A device has one queue of work: several threads would only wait for each other.
            self.workers = LocalWorkers(partitions.scratch, threads=1)
            if size <= _ON_DEVICE:
                # Each pass would else move all of them.
                self.values = self.workers.keep(self.reader.read, self.values)

    def held_out_values(
        self, compute_values: HeadValues, head_index: Tensor
    ) -> NDArray[np.float64]:
        """Return `compute_values(chosen, rejected)` at the given heads (pairs, K) of each pair.

        Values are a function of chosen minus rejected: `rejected` is 0.
        """
        partitions = self.partitions
        each = partial(_held_out_values, self.reader, compute_values)
        indices = partitions.split(head_index.numpy())
        return partitions.joined(self.workers.map(each, self.values, indices))


@dataclass(frozen=True)
class DifferenceReader:
    """Reads the features of a partition.

    Attributes:
        columns: the features that heads see.
        device: torch device on which they are wanted.
    """

    columns: FeatureColumns
    device: str

    def read(self, differences: NDArray[np.float32] | Tensor) -> Tensor:
        """Return the scaled differences of a partition, which may have been read before."""
        if isinstance(differences, Tensor):
            return differences
        return self.columns.scaled(differences, self.device)

    def answers(self, differences: NDArray[np.float32] | Tensor) -> tuple[Tensor, Tensor]:
        """Return stand-ins for chosen and rejected, for heads that see only their difference."""
        chosen = self.read(differences)
        # The difference against zero; expand_as costs no memory.
        return chosen, torch.zeros(1, 1, device=chosen.device).expand_as(chosen)


class PartitionedLosses:
    """`curate.models.heads.linear.HeadLosses` over partitions.

    Args:
        rows: the features of the pairs.
        assigned: (pairs, repeats) fold of each pair in each repeat.
        voting: (pairs,) whether a pair may teach.
        folds: how many there are.
    """

    def __init__(
        self,
        rows: DifferenceRows,
        assigned: NDArray[np.integer],
        voting: NDArray[np.bool_],
        folds: int,
    ) -> None:
        place, split = rows.workers.place, rows.partitions.split
        self._map, self._reader, self._folds = rows.workers.map, rows.reader, folds
        # Placed once: each pass over the pairs reads them anew.
        self._columns = rows.values, place(split(assigned)), place(split(voting))

    def sums(self) -> tuple[Tensor, Tensor]:
        """Return the sums over all partitions; see `HeadLosses.sums`."""
        each = self._map(partial(_sums, self._reader, self._folds), *self._columns)
        # Added in the order of the partitions: floating-point sums must not depend on who is
        # faster.
        gram, cross = next(each)
        for more_gram, more_cross in each:
            gram, cross = gram + more_gram, cross + more_cross
        # Copies: what comes from a worker may be read-only.
        return torch.tensor(gram), torch.tensor(cross)

    def slope(self, coefficients: Tensor) -> Tensor:
        """Return the slope over all partitions; see `HeadLosses.slope`."""
        slope_of_partition = partial(_slope, self._reader, self._folds, coefficients.numpy())
        return torch.from_numpy(sum(self._map(slope_of_partition, *self._columns)))


def _losses(
    reader: DifferenceReader,
    folds: int,
    differences: NDArray[np.float32] | Tensor,
    assigned: NDArray[np.integer],
    voting: NDArray[np.bool_],
) -> RowLosses:
    weights = torch.from_numpy(fold_weight_matrix(assigned, voting, folds))
    return RowLosses(*reader.answers(differences), weights)


def _sums(
    reader: DifferenceReader,
    folds: int,
    differences: NDArray[np.float32] | Tensor,
    assigned: NDArray[np.integer],
    voting: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    gram, cross = _losses(reader, folds, differences, assigned, voting).sums()
    return gram.double().cpu().numpy(), cross.double().cpu().numpy()


def _slope(
    reader: DifferenceReader,
    folds: int,
    coefficients: NDArray[np.float64],
    differences: NDArray[np.float32] | Tensor,
    assigned: NDArray[np.integer],
    voting: NDArray[np.bool_],
) -> NDArray[np.float64]:
    losses = _losses(reader, folds, differences, assigned, voting)
    slope: NDArray[np.float64] = losses.slope(torch.from_numpy(coefficients)).double().cpu().numpy()
    return slope


def _held_out_values(
    reader: DifferenceReader,
    compute_values: HeadValues,
    differences: NDArray[np.float32] | Tensor,
    head_index: NDArray[np.integer],
) -> NDArray[np.float32]:
    values = gather_held_out_values(
        compute_values,
        *reader.answers(differences),
        # A copy: arrays in shared memory are read-only, and torch would allow writes to them.
        torch.from_numpy(head_index.copy()),
    )
    # Four bytes a value on their way; heads compute in single precision anyway.
    return values.astype(np.float32)
