"""How a set of vectors covers a target set: nearest targets, balls, and a density ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from curate.scoring import batch_slices, nearest_neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS = 4096
# Of the cross-fitted estimate.
_FOLDS = 5
_TRAINED_ON = 50_000
"""Rows of the data that a classifier learns from at most."""


@dataclass(frozen=True)
class TargetCoverage:
    """Where each row lies among the targets, and which targets are covered.

    Attributes:
        distance: (rows,) mean Euclidean distance to the k nearest targets, 0 to 2.
        nearest: (rows,) which target is nearest.
        inside: (rows,) balls of targets that the row lies in.
        target_distance: (targets,) of each target to its nearest row.
        covered: (targets,) whether a row lies in the target's ball.
    """

    distance: NDArray[np.float64]
    nearest: NDArray[np.int64]
    inside: NDArray[np.int64]
    target_distance: NDArray[np.float64]
    covered: NDArray[np.bool_]


def measure_coverage(
    vectors: NDArray[np.floating], targets: NDArray[np.float32], k: int
) -> TargetCoverage:
    """Return distances between rows and targets, all of length 1, in blocks; exact.

    A target's ball reaches to its k-th nearest other target (Naeem et al., arXiv 2002.09797).
    """
    radius = nearest_neighbours(targets, k).distances[:, -1]
    distance, nearest = np.empty(len(vectors)), np.empty(len(vectors), dtype=np.int64)
    inside = np.empty(len(vectors), dtype=np.int64)
    reached = np.full(len(targets), np.inf)
    for rows in batch_slices(len(vectors), _ROWS):
        products = vectors[rows].astype(np.float32) @ targets.T
        apart = np.sqrt(np.maximum(2.0 - 2.0 * products.astype(np.float64), 0.0))
        distance[rows] = np.partition(apart, k - 1, axis=1)[:, :k].mean(axis=1)
        nearest[rows] = apart.argmin(axis=1)
        inside[rows] = (apart <= radius).sum(axis=1)
        reached = np.minimum(reached, apart.min(axis=0))
    return TargetCoverage(distance, nearest, inside, reached, reached <= radius)


def density_ratio(
    vectors: NDArray[np.floating],
    targets: NDArray[np.float32],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], float]:
    """Return log p_target(x) - log p_data(x) of each row by a held-out classifier, and its AUROC.

    Balanced logistic regression of targets against rows in five folds; its log odds are the log
    ratio. An AUROC of 0.5 says that the two sets look alike. At most 50,000 rows are learned from.
    """
    fold, other = (rng.permutation(len(x)) % _FOLDS for x in (vectors, targets))
    ratio, target_ratio = np.empty(len(vectors)), np.empty(len(targets))
    for number in range(_FOLDS):
        learned = np.flatnonzero(fold != number)
        if len(learned) > _TRAINED_ON:
            learned = np.sort(rng.choice(learned, _TRAINED_ON, replace=False))
        fold_targets = targets[other != number]
        x = np.concatenate([vectors[learned].astype(np.float32), fold_targets])
        y = np.concatenate([np.zeros(len(learned)), np.ones(len(fold_targets))])
        # Balanced: else the log odds would contain the log ratio of the two counts.
        model = LogisticRegression(class_weight="balanced", max_iter=1000).fit(x, y)
        for rows in batch_slices(len(vectors), _ROWS):
            at = rows.start + np.flatnonzero(fold[rows] == number)
            if len(at):
                ratio[at] = model.decision_function(vectors[at].astype(np.float32))
        target_ratio[other == number] = model.decision_function(targets[other == number])
    combined_labels = np.concatenate([np.zeros(len(ratio)), np.ones(len(target_ratio))])
    return ratio, float(roc_auc_score(combined_labels, np.concatenate([ratio, target_ratio])))
