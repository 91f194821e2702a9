"""Folds by prompt: no prompt is on both sides of a split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def group_folds(groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Return a fold number for each row, equal for rows of one group.

    Args:
        groups: (rows,) group of each row.
        folds: folds wanted; fewer are made where there are fewer groups.
        seed: of the random assignment.

    Returns:
        (rows,) numbers 0 .. folds - 1; all 0 where there is a single group.

    Examples:
        >>> folds = group_folds(np.array([7, 7, 9, 12]), folds=3, seed=0)
        >>> bool(folds[0] == folds[1]), sorted(set(folds.tolist()))
        (True, [0, 1, 2])
    """
    # Group numbers may have gaps after filters; the draw must not depend on them.
    distinct, numbers = np.unique(groups, return_inverse=True)
    return folds_of_groups(len(distinct), folds, seed)[numbers]


def folds_of_groups(groups: int, folds: int, seed: int) -> NDArray[np.int64]:
    """Return a fold for each of the groups 0 .. groups - 1, drawn at random, (groups,).

    Folds hold numbers of groups that differ by one at most.
    """
    assigned = np.empty(groups, dtype=np.int64)
    order = np.random.default_rng(seed).permutation(groups)
    # Dealt round robin: independent draws would leave folds of small sets empty.
    assigned[order] = np.arange(groups) % max(min(folds, groups), 1)
    return assigned


def fold_weight_matrix(
    assigned: NDArray[np.integer], voting: NDArray[np.bool_], folds: int
) -> NDArray[np.bool_]:
    """Return which pairs teach each head, (pairs, repeats * folds); a head learns from all folds
    but one.

    Args:
        assigned: (pairs, repeats) fold of each pair in each repeat.
        voting: (pairs,) whether a pair may teach.
        folds: how many there are.
    """
    is_training_fold = assigned[:, :, None] != np.arange(folds, dtype=assigned.dtype)
    # As bool: with millions of pairs and forty heads float weights would need gigabytes.
    weights: NDArray[np.bool_] = is_training_fold & voting[:, None, None]
    return weights.reshape(len(assigned), -1)
