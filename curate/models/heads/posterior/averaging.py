"""The posterior of labels, averaged over the flip rate and the scales of heads and evidence.

A pair's truth s, oriented to its label, has log P(s = 1) / P(s = -1) = x = a m + b t, with the
margins m of held-out heads and t of evidence. A vote on it is flipped with log odds u_s - lambda,
where lambda = log((1 - e) / e) and u_s depends on the traits of the right answer: u_1 where the
label names it, u_-1 where the other answer is right. With l_s = lambda - u_s, n votes for the label
less those against it and c votes in all,

    P(votes | s) = exp(s n l_s / 2) / (2 cosh(l_s / 2))^c
    P(votes) = sigma(x) P(votes | 1) + sigma(-x) P(votes | -1)
    log P(label right | votes) / P(wrong | votes) = x + log P(votes | 1) / P(votes | -1),

averaged over the posterior of (e, a, b). The maximum is unsafe: where heads see nothing it fits
noise and keeps a third of what clean labels say, the average .94 (docs/explanation/proof.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import expit, log_expit, logsumexp

from curate.data.table import batch_slices
from curate.models.heads.posterior.axes import (
    HEADS,
    RateAxis,
    ScaleAxis,
    ScalePrior,
    is_coarse,
    normalised,
)
from curate.models.heads.posterior.observations import Observations, constant

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_REFINEMENTS = 4
_MIN_MASS = 1e-5
"""Grid points of less mass are left out of the average."""
_BLOCK = 1 << 14
_TINY = 1e-300


@dataclass(frozen=True)
class Priors:
    """Beliefs before any label is read.

    Attributes:
        evidence: in the scale of evidence.
        rate_shape: 2e ~ Beta(1, rate_shape).
        heads: in the scale of heads.
    """

    evidence: ScalePrior
    rate_shape: float = 2.0
    heads: ScalePrior = HEADS


@dataclass(frozen=True)
class GridPoint:
    """One value of everything that is not known.

    Attributes:
        heads: nats that a margin of heads of 1 is worth.
        evidence: the same of evidence.
        rate: flip rate of a label where the right answer's traits are the mean ones.
        mass: posterior probability.
    """

    heads: float
    evidence: float
    rate: float
    mass: float

    @property
    def vote(self) -> float:
        """Log odds that a single vote is right."""
        return float(np.log((1.0 - self.rate) / self.rate))

    def log_odds(self, labels: Observations) -> NDArray[np.float64]:
        """Return the log odds that each label is right, by all votes and margins, (labels,)."""
        votes = _vote_log_odds(labels, np.array([self.vote]))[:, 0]
        result: NDArray[np.float64] = (
            self.heads * labels.heads + self.evidence * labels.evidence + votes
        )
        return result

    def label_log_odds(self, labels: Observations) -> NDArray[np.float64]:
        """Return what each label alone says for itself, (labels,) log odds."""
        one = constant(1.0, len(labels))
        return _vote_log_odds(replace(labels, votes=one, count=one), np.array([self.vote]))[:, 0]


@dataclass(frozen=True)
class AveragedPosterior:
    """The posterior over the grid.

    Attributes:
        points: grid points that hold nearly all mass.
        rates: (nodes,) shares of flipped labels of the last grid.
        rate_mass: (nodes,) posterior mass of each.
        log_evidence: log probability of the labels and verdicts, up to a constant.
    """

    points: tuple[GridPoint, ...]
    rates: NDArray[np.float64]
    rate_mass: NDArray[np.float64]
    log_evidence: float

    def label_right(self, labels: Observations) -> NDArray[np.float64]:
        """P(label is right), (labels,); 1 or 0 where a person judged it."""
        right = np.empty(len(labels))
        for rows in batch_slices(len(labels), _BLOCK):
            right[rows] = self._average(labels.take(rows))
        return np.where(labels.verdicts != 0, labels.verdicts > 0, right)

    def _average(self, labels: Observations) -> NDArray[np.float64]:
        total = np.zeros(len(labels))
        by_votes = {
            point.vote: _vote_log_odds(labels, np.array([point.vote]))[:, 0]
            for point in self.points
        }
        for point in self.points:
            logit = point.heads * labels.heads + point.evidence * labels.evidence
            total += point.mass * expit(logit + by_votes[point.vote])
        return total

    def summarise(self, count: int) -> tuple[GridPoint, ...]:
        """Return at most `count` points that stand for all: means over points of like flip rate.

        Each holds about the same mass.
        """
        points = sorted(self.points, key=lambda point: (point.rate, point.heads))
        mass = np.array([point.mass for point in points])
        values = np.array([(point.heads, point.evidence, point.vote) for point in points])
        middle = (np.cumsum(mass) - 0.5 * mass) / mass.sum()
        group = np.minimum((middle * count).astype(int), count - 1)
        means = []
        for each in np.unique(group):
            weights = np.where(group == each, mass, 0.0)
            heads, evidence, vote = (float(v) for v in weights @ values / weights.sum())
            means.append(GridPoint(heads, evidence, float(expit(-vote)), float(weights.sum())))
        return tuple(means)

    @property
    def rate(self) -> float:
        """Posterior mean of the share of flipped labels."""
        return float(self.rates @ self.rate_mass)

    def mean(self, name: Literal["heads", "evidence", "vote"]) -> float:
        """Posterior mean of a value of the grid points."""
        return sum(point.mass * float(getattr(point, name)) for point in self.points)

    def rate_quantile(self, share: float) -> float:
        """The share of flipped labels below which this share of the posterior lies."""
        # Half of a node's mass lies below it.
        cumulative = np.cumsum(self.rate_mass) - 0.5 * self.rate_mass
        return float(np.interp(share, cumulative, self.rates))


def average_posterior(labels: Observations, priors: Priors) -> AveragedPosterior:
    """The posterior of flip rate and scales, given all labels.

    The grid is laid anew over the range that holds the posterior until several nodes of each axis
    hold it: with many labels it is narrower than the first grid's steps.

    Args:
        labels: all labels; many are counted in bins first.
        priors: beliefs before any label is read.
    """
    labels = labels.compressed()
    scales = [
        ScaleAxis.from_prior(priors.heads if labels.heads.any() else None),
        ScaleAxis.from_prior(priors.evidence if labels.evidence.any() else None),
    ]
    rates = RateAxis.from_shape(priors.rate_shape)
    for step in range(_MAX_REFINEMENTS + 1):
        log_mass = _log_posterior(labels, scales[0], scales[1], rates)
        mass = normalised(log_mass)
        by_axis = [mass.sum(axis=(1, 2)), mass.sum(axis=(0, 2)), mass.sum(axis=(0, 1))]
        coarse = [is_coarse(each) for each in by_axis]
        coarse[0] &= bool(scales[0].signs)
        coarse[1] &= bool(scales[1].signs)
        if not any(coarse) or step == _MAX_REFINEMENTS:
            break
        for k in (0, 1):
            scales[k] = scales[k].refined(by_axis[k]) if coarse[k] else scales[k]
        rates = rates.refined(by_axis[2]) if coarse[2] else rates
    shares = _flipped_shares(labels, mass, scales, rates)
    points = _collect_points(mass, scales, rates)
    return AveragedPosterior(points, shares, mass.sum(axis=(0, 1)), float(logsumexp(log_mass)))


def _collect_points(
    mass: NDArray[np.float64], scales: list[ScaleAxis], rates: RateAxis
) -> tuple[GridPoint, ...]:
    counted = mass > _MIN_MASS
    total = float(mass[counted].sum())
    heads, evidence = scales[0].values, scales[1].values
    return tuple(
        GridPoint(
            float(heads[i]),
            float(evidence[j]),
            float(rates.values[k]),
            float(mass[i, j, k]) / total,
        )
        for i, j, k in zip(*np.nonzero(counted), strict=True)
    )


def _flipped_shares(
    labels: Observations, mass: NDArray[np.float64], scales: list[ScaleAxis], rates: RateAxis
) -> NDArray[np.float64]:
    """Expected share of flipped labels at each flip rate of the grid, (rates,).

    Each pair's truth is as likely as margins say at the mean scales of that rate.
    """
    if not (labels.shift_right.any() or labels.shift_wrong.any()):
        return rates.values
    by_rate = np.maximum(mass.sum(axis=(0, 1)), _TINY)
    heads = mass.sum(axis=1).T @ scales[0].values / by_rate
    evidence = mass.sum(axis=0).T @ scales[1].values / by_rate
    odds = np.log(rates.values) - np.log1p(-rates.values)
    p = expit(labels.heads[:, None] * heads + labels.evidence[:, None] * evidence)
    p = np.where(labels.verdicts[:, None] == 0, p, labels.verdicts[:, None] > 0)
    flipped = p * expit(odds + labels.shift_right[:, None])
    flipped += (1.0 - p) * expit(odds + labels.shift_wrong[:, None])
    return np.asarray(labels.weight @ flipped / labels.weight.sum())


def _log_posterior(
    labels: Observations, heads: ScaleAxis, evidence: ScaleAxis, rates: RateAxis
) -> NDArray[np.float64]:
    """Log posterior of the grid up to a constant, (heads, evidence, rates)."""
    unreviewed = labels.verdicts == 0
    likelihood = _Likelihood.from_labels(labels.take(unreviewed), labels.take(~unreviewed), rates)
    log_mass = np.stack([likelihood.at_scales(float(a), evidence.values) for a in heads.values])
    priors = heads.log_weights[:, None, None] + evidence.log_weights[:, None] + rates.log_weights
    total: NDArray[np.float64] = log_mass + priors
    return total


@dataclass(frozen=True)
class _Likelihood:
    """Of all labels on a grid of flip rates.

    Attributes:
        unreviewed: labels that nobody reviewed.
        reviewed: labels that a person reviewed.
        right: (unreviewed, rates) P(votes | label right), up to a factor of pair and rate.
        wrong: (unreviewed, rates) the same if it is wrong.
        constant: (rates,) log likelihood that does not depend on the scales.
    """

    unreviewed: Observations
    reviewed: Observations
    right: NDArray[np.float64]
    wrong: NDArray[np.float64]
    constant: NDArray[np.float64]

    @classmethod
    def from_labels(
        cls, unreviewed: Observations, reviewed: Observations, rates: RateAxis
    ) -> _Likelihood:
        """Prepare what all scales share."""
        vote = np.log1p(-rates.values) - np.log(rates.values)
        right, wrong = _vote_logs(unreviewed, vote)
        constant = unreviewed.weight @ np.logaddexp(right, wrong)
        if_right, if_wrong = _vote_logs(reviewed, vote)
        logs = np.where(reviewed.verdicts[:, None] > 0, if_right, if_wrong)
        constant = constant + reviewed.weight @ logs
        return cls(unreviewed, reviewed, expit(right - wrong), expit(wrong - right), constant)

    def at_scales(self, heads: float, evidence: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log likelihood at one scale of heads, (evidence scales, rates)."""
        rows = []
        for scale in evidence:
            p = expit(heads * self.unreviewed.heads + scale * self.unreviewed.evidence)
            mixed = self.wrong + (self.right - self.wrong) * p[:, None]
            margin = heads * self.reviewed.heads + scale * self.reviewed.evidence
            exact = float(self.reviewed.weight @ log_expit(self.reviewed.verdicts * margin))
            logs = self.unreviewed.weight @ np.log(np.maximum(mixed, _TINY))
            rows.append(logs + exact + self.constant)
        return np.stack(rows)


def _vote_log_odds(labels: Observations, vote: NDArray[np.float64]) -> NDArray[np.float64]:
    """log P(votes | label right) - log P(votes | label wrong), (labels, rates)."""
    if np.array_equal(labels.shift_right, labels.shift_wrong):
        return labels.votes[:, None] * (vote - labels.shift_right[:, None])
    right, wrong = _vote_logs(labels, vote)
    return right - wrong


def _vote_logs(
    labels: Observations, vote: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log P(votes | label right) and log P(votes | label wrong), (labels, rates).

    Args:
        labels: whose votes they are.
        vote: (rates,) log odds that a vote is right where traits are the mean ones.
    """
    balance, count = 0.5 * labels.votes[:, None], labels.count[:, None]
    right, wrong = (vote - shift[:, None] for shift in (labels.shift_right, labels.shift_wrong))
    return (
        balance * right - count * _log_cosh(right),
        -balance * wrong - count * _log_cosh(wrong),
    )


def _log_cosh(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(2 cosh(values / 2))."""
    result: NDArray[np.float64] = np.logaddexp(0.5 * values, -0.5 * values)
    return result
