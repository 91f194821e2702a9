"""Folds by prompt: no prompt is on both sides of a split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import GroupKFold

if TYPE_CHECKING:
    from numpy.typing import NDArray


def group_folds(groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """A fold number for each row, equal for rows of one group.

    Args:
        groups: (rows,) group of each row.
        folds: folds wanted; fewer are made where there are fewer groups.
        seed: of the random assignment.

    Returns:
        (rows,) numbers 0 .. folds - 1; all 0 where there is a single group.
    """
    folds = min(folds, len(np.unique(groups)))
    assigned = np.zeros(len(groups), dtype=np.int64)
    if folds < 2:
        return assigned
    splitter = GroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    for number, (_, held_out) in enumerate(splitter.split(groups, groups=groups)):
        assigned[held_out] = number
    return assigned
