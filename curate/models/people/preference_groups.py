"""Groups of annotators with preferences of their own: a mixture of heads by EM."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.special import expit, log_expit, logsumexp
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from curate.data.table import batch_slices
from curate.models.heads.feature_matrix import FeatureMatrix
from curate.models.heads.held_out_values import gather_held_out_values
from curate.models.heads.modules import Heads, HeadSpec
from curate.models.heads.out_of_fold import train_heads

if TYPE_CHECKING:
    from numpy.typing import NDArray

Train = Callable[[Tensor], Heads]
"""From (pairs, heads) weights to trained heads."""
# Of assigning people to groups and fitting these anew.
_ROUNDS = 8
_TOLERANCE = 0.01
"""Largest change of a membership at which EM ends."""
_SOFT = 0.9
"""How surely an annotator belongs to the cluster from which EM starts."""
_ROWS = 8192
# Directions in which people are compared; those without variance are rounding.
_AXES, _MIN_VARIANCE = 20, 1e-9


@dataclass(frozen=True)
class AnnotatorVotes:
    """Who voted on what.

    Attributes:
        chosen: features of the preferred answers, (pairs, dim).
        rejected: of the others.
        annotator: (pairs,) number of the annotator; -1 for pairs that must not teach.
        fold: (pairs,) fold of the pair's prompt.
        prompt: (pairs,) number of the pair's prompt.
    """

    chosen: FeatureMatrix
    rejected: FeatureMatrix
    annotator: NDArray[np.int64]
    fold: NDArray[np.int64]
    prompt: NDArray[np.int64]


@dataclass(frozen=True)
class PreferenceGroups:
    """A mixture of K groups, fitted once without each fold.

    Attributes:
        margins: (pairs, K) by the heads of the pair's own fold, which did not see it.
        members: (folds, annotators, K) by the votes outside each fold; rows add up to 1.
        log_likelihood: (pairs,) of the held-out label for its annotator; NaN without one.
        pooled: (pairs,) the same for whoever, by the same heads weighed by the groups' sizes.
        heads: of all folds and groups.
        head_of: (pairs, K) which of them gave the margins.
    """

    margins: NDArray[np.float64]
    members: NDArray[np.float64]
    log_likelihood: NDArray[np.float64]
    pooled: NDArray[np.float64]
    heads: Heads
    head_of: Tensor

    @property
    def membership(self) -> NDArray[np.float64]:
        """Return (annotators, K) mean over folds."""
        mean_membership: NDArray[np.float64] = self.members.mean(axis=0)
        return mean_membership

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Return (K,) mean membership over annotators."""
        group_sizes: NDArray[np.float64] = self.membership.mean(axis=0)
        return group_sizes

    def member_of(self, votes: AnnotatorVotes) -> NDArray[np.float64]:
        """Return (pairs, K): of each vote's annotator by other folds' votes; `sizes` for unknown
        ones."""
        has_annotator = (votes.annotator >= 0)[:, None]
        memberships = self.members[votes.fold, np.maximum(votes.annotator, 0)]
        return np.where(has_annotator, memberships, self.sizes)


def reward_trainer(votes: AnnotatorVotes, seed: int) -> Train:
    """Return a function that trains Bradley-Terry heads on the votes."""
    return lambda weights: train_heads(votes.chosen, votes.rejected, weights, HeadSpec(), seed)


def fit_groups(votes: AnnotatorVotes, groups: int, train: Train, seed: int) -> PreferenceGroups:
    """Fit the mixture by EM for each fold's training votes, all heads as one batch.

    An annotator a belongs to group k with probability r_ak, in proportion to the group's size times
    the likelihood of a's training votes under its head; head k learns each vote with weight r_ak.
    Groups of different folds are matched by who belongs to them.
    """
    folds = int(votes.fold.max()) + 1
    people = int(votes.annotator.max()) + 1
    has_annotator = votes.annotator >= 0
    member = _initial_membership(votes, groups, folds, people, seed)
    annotator_index = np.maximum(votes.annotator, 0)
    teaches = (votes.fold[:, None] != np.arange(folds)) & has_annotator[:, None]
    # All heads at once: EM needs the margins of every fold, and the result only the held-out ones.
    every = torch.arange(folds * groups).expand(len(annotator_index), -1)
    for _ in range(_ROUNDS if groups > 1 else 1):
        heads = train(member_weights(votes, member))
        head_margins = gather_held_out_values(heads.margins, votes.chosen, votes.rejected, every)
        margins = head_margins.reshape(len(annotator_index), folds, groups)
        before, member = member, _membership(margins, annotator_index, teaches, member, people)
        if np.abs(member - before).max() < _TOLERANCE:
            break
    return _collect_held_out(votes, margins, member, heads)


def member_weights(votes: AnnotatorVotes, member: NDArray[np.float64]) -> Tensor:
    """Return (pairs, folds K): of each pair for the head of a fold that left it out and a group.

    `member` are (folds, annotators, K) memberships.
    """
    annotator_membership = member[:, np.maximum(votes.annotator, 0)].transpose(1, 0, 2)
    teaches = (votes.fold[:, None] != np.arange(len(member))) & (votes.annotator >= 0)[:, None]
    weights = (annotator_membership * teaches[:, :, None]).astype(np.float32)
    return torch.from_numpy(weights.reshape(len(annotator_membership), -1))


def _initial_membership(
    votes: AnnotatorVotes, groups: int, folds: int, people: int, seed: int
) -> NDArray[np.float64]:
    """Return (folds, annotators, K): clusters of the annotators' mean directions in the training
    votes.

    Directions are looked at along the 20 principal axes of all differences, each scaled to unit
    variance: else the clusters follow what varies most, not what people differ in.
    """
    member = np.full((folds, people, groups), 1.0)
    if groups > 1:
        directions = _mean_directions(votes, folds, people) @ _whitening(votes)
        for fold in range(folds):
            model = KMeans(groups, n_init=4, random_state=seed + fold)
            with warnings.catch_warnings():
                # People who voted alike are fewer points than clusters: then some stay empty.
                warnings.simplefilter("ignore", ConvergenceWarning)
                cluster = model.fit_predict(directions[fold])
            member[fold] = np.where(
                # Not 1: from a hard start EM could never move an annotator.
                cluster[:, None] == np.arange(groups),
                _SOFT,
                (1.0 - _SOFT) / (groups - 1),
            )
    normalised: NDArray[np.float64] = member / member.sum(axis=2, keepdims=True)
    return normalised


def _whitening(votes: AnnotatorVotes) -> NDArray[np.float64]:
    """Return (dim, axes): from features to scaled principal axes; does not depend on the labels."""
    width = votes.chosen.shape[1]
    moment, count = np.zeros((width, width)), max(len(votes.chosen), 1)
    for rows in batch_slices(len(votes.chosen), _ROWS):
        difference = (votes.chosen[rows] - votes.rejected[rows]).double().cpu().numpy()
        moment += difference.T @ difference / count
    sizes, axes = np.linalg.eigh(moment)
    # Axes without variance would be blown up to noise.
    axis_index = np.flatnonzero(sizes > _MIN_VARIANCE * sizes[-1])[-_AXES:]
    whitening: NDArray[np.float64] = axes[:, axis_index] / np.sqrt(sizes[axis_index])
    return whitening


def _mean_directions(votes: AnnotatorVotes, folds: int, people: int) -> NDArray[np.float64]:
    """Return (folds, annotators, dim) mean of chosen minus rejected over the votes outside each
    fold."""
    sums = np.zeros((folds, people, votes.chosen.shape[1]))
    counts = np.zeros((folds, people))
    identified_rows = np.flatnonzero(votes.annotator >= 0)
    for rows in batch_slices(len(identified_rows), _ROWS):
        at = identified_rows[rows]
        index = torch.from_numpy(at)
        difference = (votes.chosen[index] - votes.rejected[index]).double().cpu().numpy()
        np.add.at(sums, (votes.fold[at], votes.annotator[at]), difference)
        np.add.at(counts, (votes.fold[at], votes.annotator[at]), 1.0)
    # All votes less those of the fold: one pass serves every fold.
    training_sums, number = sums.sum(axis=0) - sums, counts.sum(axis=0) - counts
    means: NDArray[np.float64] = training_sums / np.maximum(number, 1.0)[:, :, None]
    return means


def _membership(
    margins: NDArray[np.float64],
    annotator_index: NDArray[np.int64],
    teaches: NDArray[np.bool_],
    before: NDArray[np.float64],
    people: int,
) -> NDArray[np.float64]:
    """Return the E-step: (folds, annotators, K) from the training votes only."""
    folds, groups = margins.shape[1:]
    likelihood = np.zeros((folds, people, groups))
    for fold in range(folds):
        rows = teaches[:, fold]
        np.add.at(likelihood[fold], annotator_index[rows], log_expit(margins[rows, fold]))
    # A group that nobody is in must be able to win somebody back.
    prior = np.log(np.maximum(before.mean(axis=1, keepdims=True), 1e-9))
    logits = likelihood + prior
    membership: NDArray[np.float64] = np.exp(logits - logsumexp(logits, axis=2, keepdims=True))
    return membership


def _match_groups(member: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return (folds, K): which group of each fold is group k of the first fold."""
    order = []
    for fold in member:
        # Groups have no order of their own: each fold's EM may number them otherwise.
        shared = member[0].T @ fold
        # The assignment of largest shared membership (Kuhn 1955); greedy choices can clash.
        order.append(linear_sum_assignment(-shared)[1])
    return np.stack(order)


def _collect_held_out(
    votes: AnnotatorVotes, margins: NDArray[np.float64], member: NDArray[np.float64], heads: Heads
) -> PreferenceGroups:
    order, groups = _match_groups(member), member.shape[2]
    rows = np.arange(len(margins))
    aligned = np.take_along_axis(margins[rows, votes.fold], order[votes.fold], axis=1)
    members = np.stack([fold[:, o] for fold, o in zip(member, order, strict=True)])
    vote_membership = members[votes.fold, np.maximum(votes.annotator, 0)]
    has_annotator = votes.annotator >= 0
    likelihood, pooled = (
        np.where(has_annotator, np.log(np.maximum((w * expit(aligned)).sum(axis=1), 1e-12)), np.nan)
        for w in (vote_membership, members.mean(axis=(0, 1)))
    )
    head_of = torch.from_numpy(votes.fold[:, None] * groups + order[votes.fold])
    return PreferenceGroups(aligned, members, likelihood, pooled, heads, head_of)
