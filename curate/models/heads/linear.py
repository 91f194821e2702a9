"""Linear Bradley-Terry heads from sums over blocks of pairs, without an optimiser's settings.

Head j minimises sum_i w_ij log(1 + exp(-m_ij)) + l2/2 |b_j|^2 over its coefficients b_j, m = d b
for the pair's difference of features d. The second derivative of the loss is at most 1/4, so that
the one matrix H = sum_i max_j w_ij d d' / 4 + l2 I bounds the curvature of every head: a step of
H^-1 times the gradient never overshoots (Boehning and Lindsay 1988, Ann. Inst. Stat. Math. 40).
The first step is the least-squares solution. Steps gain speed from Nesterov's momentum, which a
head loses where it points uphill (O'Donoghue and Candes 2015, Found. Comput. Math. 15).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from curate.data.table import batch_slices

if TYPE_CHECKING:
    from curate.models.heads.feature_matrix import FeatureMatrix

_ROWS = 8192
# Over the pairs at most; it ends where coefficients no longer move.
_PASSES = 60
_TOLERANCE = 3e-4
"""Largest last step of a head beside its length. Margins are then right to some 0.1 %, and to 1 %
where labels are nearly separable and steps short."""
# The largest second derivative of the logistic loss: with it no step overshoots.
_CURVATURE = 0.25
_JITTER = 1e-7
"""Of the mean curvature, where there is no prior and features depend on each other."""


class HeadLosses(Protocol):
    """Sums over the pairs that heads are solved from, wherever the pairs lie."""

    def sums(self) -> tuple[Tensor, Tensor]:
        """Return sum_i max_j w_ij d d', (dim, dim), and the gradient at 0, sum_i w_ij d / 2."""

    def slope(self, coefficients: Tensor) -> Tensor:
        """Return minus the gradient of the losses: sum_i w_ij sigma(-m_ij) d, (dim, heads)."""


def solve_heads(
    chosen: FeatureMatrix, rejected: FeatureMatrix, weights: Tensor, l2: float, dropout: float = 0.0
) -> Tensor:
    """Return coefficients of all heads, (dim, heads).

    Memory is that of one block of rows and of a few (dim, dim) and (dim, heads) matrices.

    Args:
        chosen: features of the preferred answers, (pairs, dim).
        rejected: features of the other answers.
        weights: (pairs, heads), not negative, or bool for 0 and 1.
        l2: precision of the Gaussian prior on the coefficients.
        dropout: share of features dropped in training. In expectation over masks, to second order,
            it is a ridge of dropout / (1 - dropout) times the diagonal of the curvature (Wager et
            al. 2013, arXiv 1307.1493), taken here at margins of 0.
    """
    return solve_from_losses(RowLosses(chosen, rejected, weights), l2, dropout)


def solve_from_losses(losses: HeadLosses, l2: float, dropout: float = 0.0) -> Tensor:
    """Return `solve_heads` of pairs that may lie elsewhere."""
    gram, cross = losses.sums()
    # Wager et al. 2013: dropout acts as a ridge scaled by each feature's own curvature.
    ridge = l2 + _CURVATURE * dropout / (1.0 - dropout) * gram.diagonal()
    bound = _CURVATURE * gram + torch.diag(ridge)
    bound += torch.eye(len(bound)).to(bound) * (_JITTER * bound.diagonal().mean())
    # Products with it stand on the device in the type of the features.
    # Once for all steps and heads: one bound of the curvature serves every head.
    inverse = torch.linalg.inv(bound)
    now = inverse @ cross
    # One age a head: heads lose their momentum independently of each other.
    before, age = torch.zeros_like(now), torch.zeros(now.shape[1]).to(now)
    moving = torch.ones_like(age, dtype=torch.bool)
    for _ in range(_PASSES):
        # A head that has settled stays as it is: no head depends on the labels of another.
        moving &= (now - before).norm(dim=0) > _TOLERANCE * now.norm(dim=0)
        if not moving.any():
            break
        # Nesterov's weight k / (k + 3), restarted from k = 0 by the gradient rule of O'Donoghue and
        # Candes (2015).
        ahead = now + (now - before) * (age / (age + 3.0))
        slope = losses.slope(ahead) - ridge[:, None] * ahead
        before, now = now, torch.where(moving, ahead + inverse @ slope, now)
        # Momentum that points uphill would swing around the solution.
        uphill = (slope * (now - before)).sum(dim=0) < 0
        age = torch.where(uphill, 0.0, age + 1.0)
    # Features are single precision: more digits of a coefficient would not change a margin.
    solved: Tensor = now.float()
    return solved


class RowLosses:
    """Differences of features and weights of pairs here, some thousand at a time."""

    def __init__(self, chosen: FeatureMatrix, rejected: FeatureMatrix, weights: Tensor) -> None:
        self._chosen, self._rejected = chosen, rejected
        self._weights = weights.to(chosen.device)
        # Products in single precision, their sums over blocks in double where the device has it.
        self._sum = torch.float32 if chosen.device.type == "mps" else torch.float64

    def _each(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in batch_slices(len(self._chosen), _ROWS):
            difference = self._chosen[rows] - self._rejected[rows]
            yield difference, self._weights[rows].to(difference)

    def _empty(self, columns: int) -> Tensor:
        shape = (self._chosen.shape[1], columns)
        return torch.zeros(shape, dtype=self._sum, device=self._chosen.device)

    def sums(self) -> tuple[Tensor, Tensor]:
        """Return the sums over all rows; see `HeadLosses.sums`."""
        gram, cross = self._empty(self._chosen.shape[1]), self._empty(self._weights.shape[1])
        for difference, weights in self._each():
            # The largest weight of any head bounds the curvature of all of them.
            most = weights.amax(dim=1, keepdim=True)
            gram += (difference * most).T @ difference
            cross += difference.T @ weights / 2.0
        return gram, cross

    def slope(self, coefficients: Tensor) -> Tensor:
        """Return the slope over all rows; see `HeadLosses.slope`."""
        total = self._empty(self._weights.shape[1])
        for difference, weights in self._each():
            # Coefficients are in double for the solver; a double product would be twice as slow.
            margins = difference @ coefficients.to(difference)
            total += difference.T @ (weights * torch.sigmoid(-margins))
        return total
