"""Flip rates of annotators, or of other groups of labels, averaged like the common rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, log_expit

from curate.scoring import batch_slices
from curate.scoring.heads import AveragedPosterior, Observations

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RATES = np.linspace(0.002, 0.498, 32)
_BLOCK = 1 << 14


@dataclass(frozen=True)
class GroupRates:
    """The posterior of each group's flip rate on a grid.

    Attributes:
        mass: (groups, nodes) posterior of each node of the grid.
    """

    mass: NDArray[np.float64]

    @property
    def reliability(self) -> NDArray[np.float64]:
        """(groups,) posterior mean of the probability that a label is not flipped."""
        return 1.0 - self.mass @ _RATES

    def label_right(
        self, logits: NDArray[np.float64], group: NDArray[np.int64], verdicts: NDArray[np.int8]
    ) -> NDArray[np.float64]:
        """P(label right) averaged over its group's rate, (labels,).

        Args:
            logits: (labels,) log odds of the truth, by all but the label itself.
            group: (labels,) number of each label's group.
            verdicts: (labels,) verdicts.
        """
        right, vote = np.empty(len(logits)), _vote_odds()
        for rows in batch_slices(len(logits), _BLOCK):
            by_rate = expit(logits[rows, None] + vote)
            right[rows] = (self.mass[group[rows]] * by_rate).sum(axis=1)
        return np.where(verdicts != 0, verdicts > 0, right)


def logits_without_label(labels: Observations, averaged: AveragedPosterior) -> NDArray[np.float64]:
    """Log odds that each label names the truth by heads, evidence and other votes, (labels,)."""
    logits: NDArray[np.float64] = (
        averaged.mean("heads") * labels.heads
        + averaged.mean("evidence") * labels.evidence
        + averaged.mean("vote") * (labels.votes - 1.0)
    )
    return logits


def group_rates(
    logits: NDArray[np.float64],
    group: NDArray[np.int64],
    verdicts: NDArray[np.int8],
    common_rate: float,
    prior_labels: float,
) -> GroupRates:
    """The flip rate of each group, shrunk to the common one.

    The prior is Beta with mean `common_rate` and the strength of `prior_labels` labels of known
    truth. As in LCPO / RE-PO (arXiv 2509.24159, Section 4) a group's labels are right with
    probability 1 - e each; e is averaged over here, not maximised.

    Args:
        logits: (labels,) log odds of the truth, by all but the label itself.
        group: (labels,) number of each label's group, from 0 on.
        verdicts: (labels,) verdicts, 1 right, -1 wrong, 0 none.
        common_rate: posterior mean of all labels' flip rate.
        prior_labels: strength of the prior.
    """
    groups, vote = int(group.max(initial=-1)) + 1, _vote_odds()
    prior = common_rate * np.log(_RATES) + (1.0 - common_rate) * np.log1p(-_RATES)
    total = np.tile(prior_labels * prior, (groups, 1))
    for rows in batch_slices(len(logits), _BLOCK):
        p, verdict = expit(logits[rows])[:, None], verdicts[rows][:, None]
        unjudged = np.log(_RATES + (1.0 - 2.0 * _RATES) * p)
        logs = np.where(verdict != 0, log_expit(verdict * vote), unjudged)
        np.add.at(total, group[rows], logs)
    mass = np.exp(total - total.max(axis=1, keepdims=True, initial=-np.inf))
    return GroupRates(mass / mass.sum(axis=1, keepdims=True))


def _vote_odds() -> NDArray[np.float64]:
    odds: NDArray[np.float64] = np.log1p(-_RATES) - np.log(_RATES)
    return odds
