"""Two ensembles of heads that choose each other's training pairs (co-teaching, CRM)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from curate.scoring import batch_slices
from curate.scoring.heads import (
    FeatureMatrix,
    HeadSpec,
    Optimiser,
    Progress,
    SilentProgress,
    bradley_terry,
    initialise_heads,
    rows_in_order,
    threads_for,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Small sets in few large batches would give peers hardly a step an epoch.
_BATCHES_PER_EPOCH = 8
# Of fewer pairs the smallest losses are a matter of chance.
_MIN_BATCH = 16
_EVALUATION_ROWS = 8192


@dataclass(frozen=True)
class Schedule:
    """How many pairs of a batch the peer hands over: keep(t) = 1 - rate min(t / ramp, 1).

    Attributes:
        epochs: passes over the pairs.
        noise_rate: share of pairs left out after the ramp.
        ramp: epochs until then.
        curriculum: from the second epoch on, show pairs from large to small mean margin.
    """

    epochs: int
    noise_rate: float
    ramp: int
    curriculum: bool

    def keep(self, epoch: int) -> float:
        """Return the share of a batch that is kept in this epoch, counted from 0."""
        # Co-teaching's keep(t), arXiv 1804.06872; CRM's own schedule is not published. Early on all
        # pairs are kept, since networks learn clean pairs before they memorise wrong ones.
        return 1.0 - self.noise_rate * min(epoch / max(self.ramp, 1), 1.0)


@dataclass(frozen=True)
class PeerReview:
    """What the training showed.

    Attributes:
        losses: (pairs, epochs, 2) held-out Bradley-Terry loss of either peer after each epoch.
        selected: (pairs,) share of the times that a peer saw the pair in training and handed it
            over; NaN for pairs that were never shown.
        overlap: (epochs,) mean share of pairs that both peers selected, of those selected.
    """

    losses: Tensor
    selected: Tensor
    overlap: Tensor


def train_peers(
    chosen: FeatureMatrix,
    rejected: FeatureMatrix,
    weights: Tensor,
    held_by: Tensor,
    spec: HeadSpec,
    schedule: Schedule,
    seed: int,
    progress: Progress | None = None,
    row_order: NDArray[np.int64] | None = None,
) -> PeerReview:
    """Train F pairs of peers, A_f and B_f, which differ in their random start.

    In each batch every head ranks the pairs by its loss and hands the smallest to its peer, which
    learns only from those (CRM, arXiv 2505.10597; co-teaching, arXiv 1804.06872).

    Args:
        chosen: features of the preferred answers, (pairs, dim).
        rejected: features of the other answers, (pairs, dim).
        weights: (pairs, F), whether fold f trains on the pair.
        held_by: (pairs,) the fold whose peers did not see the pair.
        spec: of the heads.
        schedule: what is kept in each epoch.
        seed: of starts and batches.
        progress: where epochs are shown.
        row_order: (pairs,) the rows in the order from which batches are drawn, such as
            `Context.row_order`; default as they come.
    """
    training = _Peers(chosen, rejected, weights, held_by, spec, schedule, seed, row_order)
    losses, overlaps = [], []
    task_progress = (progress or SilentProgress()).task("peer review", schedule.epochs)
    with threads_for(spec.kind), task_progress as task:
        for epoch in range(schedule.epochs):
            overlaps.append(training.learn(epoch))
            losses.append(training.held_out_losses())
            task.advance()
    return PeerReview(torch.stack(losses, dim=1), training.selected(), torch.stack(overlaps))


class _Peers:
    """The heads A_1..A_F, B_1..B_F in training; see `train_peers` for the arguments."""

    def __init__(
        self,
        chosen: FeatureMatrix,
        rejected: FeatureMatrix,
        weights: Tensor,
        held_by: Tensor,
        spec: HeadSpec,
        schedule: Schedule,
        seed: int,
        row_order: NDArray[np.int64] | None,
    ) -> None:
        self._chosen, self._rejected, self._schedule = chosen, rejected, schedule
        self._folds, total = weights.shape[1], len(chosen)
        # Both peers of a fold see the same pairs; all heads are trained as one batch.
        self._weights = torch.cat([weights, weights], dim=1).float().to(chosen.device)
        held_by = held_by.long()
        self._columns = torch.stack([held_by, held_by + self._folds], dim=1).to(chosen.device)
        self._heads = initialise_heads(spec, chosen.shape[1], 2 * self._folds, seed).to(
            chosen.device
        )
        # Small sets need several batches an epoch, or peers would exchange hardly anything.
        self._batch = min(spec.batch, max(math.ceil(total / _BATCHES_PER_EPOCH), _MIN_BATCH))
        steps = math.ceil(total / self._batch) * schedule.epochs
        self._optimiser = Optimiser(self._heads, spec, total, steps)
        self._row_order = row_order
        self._generator = torch.Generator().manual_seed(seed)
        self._handed = torch.zeros_like(self._weights)
        self._times_shown = torch.zeros_like(self._weights)
        self._margins = torch.zeros(total, 2, device=chosen.device)

    def learn(self, epoch: int) -> Tensor:
        """Return one pass over the pairs; the share of selected pairs that both peers selected."""
        by_margin = self._schedule.curriculum and epoch > 0
        positions = torch.randperm(len(self._margins), generator=self._generator)
        order = rows_in_order(positions, self._row_order).to(self._margins.device)
        if by_margin:
            order = order[self._margins[order].mean(1).argsort(descending=True, stable=True)]
        shared = []
        for rows in torch.split(order, self._batch):
            loss = bradley_terry(self._heads.margins(self._chosen[rows], self._rejected[rows]))
            own_selection = smallest_losses(
                loss.detach(), self._weights[rows], self._schedule.keep(epoch)
            )
            # A_f takes what B_f selected, and B_f what A_f selected.
            # Selected by its own loss, a head would confirm its own errors (CRM's "self review").
            from_peer = own_selection.roll(self._folds, dims=1)
            self._optimiser.step(loss, from_peer)
            self._handed[rows] += from_peer
            self._times_shown[rows] += self._weights[rows]
            # Peers that select the same pairs learn nothing from each other: report the overlap.
            shared.append((own_selection * from_peer).sum() / own_selection.sum().clamp_min(1))
        return torch.stack(shared).mean()

    def held_out_losses(self) -> Tensor:
        """Return (pairs, 2) losses of the two peers that did not see each pair."""
        with torch.no_grad():
            for rows in batch_slices(len(self._margins), _EVALUATION_ROWS):
                margins = self._heads.margins(self._chosen[rows], self._rejected[rows])
                self._margins[rows] = margins.gather(1, self._columns[rows])
        return bradley_terry(self._margins)

    def selected(self) -> Tensor:
        """Return (pairs,) share of the times that a pair was shown in which the peer handed it
        over."""
        return self._handed.sum(1) / self._times_shown.sum(1)


def smallest_losses(loss: Tensor, weights: Tensor, keep: float) -> Tensor:
    """Return 1 for the ceil(keep n) smallest losses of each column among rows of weight > 0, else
    0.

    Args:
        loss: (rows, heads).
        weights: (rows, heads); n is the number of a column's positive weights.
        keep: share, 0 to 1.
    """
    allowed = weights > 0
    # Pairs that a head does not train on rank last, and are never among the smallest.
    ranks = loss.masked_fill(~allowed, math.inf).argsort(dim=0, stable=True).argsort(dim=0)
    # Rounding must not hand over one pair more than the share says.
    target_count = torch.ceil(keep * allowed.sum(dim=0) - 1e-6)
    return ((ranks < target_count) & allowed).to(loss.dtype)
