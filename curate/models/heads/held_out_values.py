"""Values of the heads that did not see a pair, block by block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from curate.data.table import batch_slices
from curate.models.heads.feature_matrix import FeatureMatrix

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HeadValues = Callable[[Tensor, Tensor], Tensor]
"""From features of chosen and rejected, (rows, dim), to values of all heads, (rows, heads)."""
# A block and its product fit into the caches of a core.
_ROWS = 8192


class AnswerFeatures(Protocol):
    """What heads see of the answers of all pairs, wherever that lies."""

    def held_out_values(
        self, compute_values: HeadValues, head_index: Tensor
    ) -> NDArray[np.float64]:
        """Return `compute_values(chosen, rejected)` at the given heads (pairs, K) of each pair."""


@dataclass(frozen=True)
class LocalAnswerFeatures:
    """Scaled features of both answers, (pairs, dim) each."""

    chosen: FeatureMatrix
    rejected: FeatureMatrix

    def held_out_values(
        self, compute_values: HeadValues, head_index: Tensor
    ) -> NDArray[np.float64]:
        """Return `gather_held_out_values` of these features."""
        return gather_held_out_values(compute_values, self.chosen, self.rejected, head_index)


def gather_held_out_values(
    compute_values: HeadValues, chosen: FeatureMatrix, rejected: FeatureMatrix, head_index: Tensor
) -> NDArray[np.float64]:
    """Return `compute_values(chosen, rejected)` at the given heads (pairs, K) of each pair."""
    head_index = head_index.to(chosen.device)
    # On the device until the end: a transfer a batch would let it wait for each.
    gathered = torch.empty(head_index.shape, device=chosen.device)
    with torch.no_grad():
        for rows in batch_slices(len(chosen), _ROWS):
            values = compute_values(chosen[rows], rejected[rows])
            gathered[rows] = values.gather(1, head_index[rows].long()).to(gathered)
    held_out_values: NDArray[np.float64] = gathered.cpu().double().numpy()
    return held_out_values
