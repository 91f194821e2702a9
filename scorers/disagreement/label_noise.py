"""How often the label is wrong, from held-out margins: scale and reliability fitted together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from curate.scoring import batch_slices

if TYPE_CHECKING:
    from numpy.typing import NDArray

# At one half labels say nothing, at 1 a single contradiction has probability 0.
RELIABILITY_BOUNDS = (0.5 + 1e-3, 1.0 - 1e-3)
SCALE_BOUNDS = (np.log(1e-3), np.log(1e3))
# So that the log of an underflow is no infinity.
_TINY = 1e-300
# Labels that are looked at at a time.
_BLOCK = 1 << 16
# The likelihood of scale and reliability has several optima; (log scale, reliability).
_STARTS = ((0.0, 0.95), (1.0, 0.7), (-1.0, 0.8), (2.0, 0.6))


@dataclass(frozen=True)
class LabelNoise:
    """P(label as observed) = reliability sigma(scale m) + (1 - reliability) sigma(-scale m).

    Attributes:
        reliability: eta, the probability that a label was not flipped.
        scale: inverse temperature of the margins.
        log_likelihood: of the labels, in nats, summed.
    """

    reliability: float
    scale: float
    log_likelihood: float

    @property
    def rate(self) -> float:
        """Return the flip rate 1 - eta."""
        return 1.0 - self.reliability

    def posterior(self, margins: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability that each label is right (the E step of LCPO / RE-PO, arXiv
        2509.24159)."""
        return label_posterior_given_reliability(expit(self.scale * margins), self.reliability)


def label_posterior_given_reliability(
    probability: NDArray[np.float64], reliability: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return w = p eta / (p eta + (1 - p)(1 - eta)): the label is right, given the model's p for
    it."""
    right = probability * reliability
    return right / (right + (1.0 - probability) * (1.0 - reliability))


def fit_label_noise(margins: NDArray[np.float64], reliability: float | None = None) -> LabelNoise:
    """Return scale and reliability of greatest likelihood, or only the scale if the reliability
    is given.

    A temperature fitted first would absorb the flips and leave a reliability of 1. Fitted
    together, the scale explains the slope at small margins and the
    reliability the plateau at large ones. Where the heads have no large margins the plateau is
    not seen and the estimate is loose: report it with an interval.

    Args:
        margins: (pairs,) held-out margins of the observed labels; ties left out.
        reliability: where it is known.
    """
    # Bounds of one point hold a parameter fixed.
    fixed = (reliability, reliability)
    bounds = (SCALE_BOUNDS, RELIABILITY_BOUNDS if reliability is None else fixed)
    finite = margins[np.isfinite(margins)]

    # The likelihood need not be concave: several starts, the best one counts.
    fits = [
        minimize(
            _negative_log_likelihood, np.array(s), (finite,), "L-BFGS-B", jac=True, bounds=bounds
        )
        for s in _STARTS
    ]
    best = min(fits, key=lambda fit: float(fit.fun))
    return LabelNoise(float(best.x[1]), float(np.exp(best.x[0])), -float(best.fun) * len(finite))


def _negative_log_likelihood(
    point: NDArray[np.float64], margins: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Return minus the mean log likelihood at (log scale, reliability), and its gradient.

    With p = sigma(s), s = scale m, a label has the probability f = eta p + (1 - eta)(1 - p).
    """
    scale, eta = np.exp(point[0]), point[1]
    total, gradient = 0.0, np.zeros(2)
    # In blocks that stay in the processor's cache: each evaluation needs several numbers a label.
    for rows in batch_slices(len(margins), _BLOCK):
        scaled = scale * margins[rows]
        p = expit(scaled)
        f = np.maximum(eta * p + (1.0 - eta) * (1.0 - p), _TINY)
        slope = (2.0 * eta - 1.0) * p * (1.0 - p) / f
        total += float(np.log(f).sum())
        # Chain rule to the log of the scale: d s / d log scale = s.
        gradient += ((slope * scaled).sum(), ((2.0 * p - 1.0) / f).sum())
    count = max(len(margins), 1)
    return -total / count, -gradient / count


@dataclass(frozen=True)
class AnnotatorNoise:
    """Reliability of each annotator, by expectation maximisation.

    Attributes:
        pooled: the fit over all labels.
        reliability: (annotators,) eta of each, shrunk towards the pooled one.
        rounds: until convergence.
    """

    pooled: LabelNoise
    reliability: NDArray[np.float64]
    rounds: int


def fit_annotators(
    margins: NDArray[np.float64],
    annotator: NDArray[np.int64],
    prior: float = 20.0,
    tolerance: float = 1e-6,
    max_rounds: int = 1000,
) -> AnnotatorNoise:
    """Fit each annotator by LCPO / RE-PO's EM (arXiv 2509.24159, Section 4), full batch.

    E: w_i = p_i eta_k / (p_i eta_k + (1 - p_i)(1 - eta_k)). M: eta_k = mean of w over annotator k,
    with a Beta prior of `prior` pseudo-votes at the pooled reliability (ours). Scale and pooled
    reliability are fitted first, by `fit_label_noise`; reliabilities stay in (0.5, 1).

    Args:
        margins: (pairs,) held-out margins of the observed labels.
        annotator: (pairs,) numbers 0 .. K - 1.
        prior: weight of the prior in votes.
        tolerance: largest change of a reliability at which the rounds end.
        max_rounds: rounds at most.
    """
    pooled = fit_label_noise(margins)
    # The scale stays: refitted in each round it would take up flips that reliabilities explain.
    p = expit(pooled.scale * margins)
    votes = np.bincount(annotator).astype(np.float64)
    eta = np.full(len(votes), pooled.reliability)
    rounds, change = 0, np.inf
    while change > tolerance and rounds < max_rounds:
        right = np.zeros(len(votes))
        for rows in batch_slices(len(p), _BLOCK):
            names = annotator[rows]
            weight = label_posterior_given_reliability(p[rows], eta[names])
            right += np.bincount(names, weight, minlength=len(votes))
        # RE-PO's M step has no prior; without one an annotator of three votes would end at a bound.
        new = (right + prior * pooled.reliability) / (votes + prior)
        # Below one half an annotator would lie on purpose, and EM could turn all labels.
        new = np.clip(new, *RELIABILITY_BOUNDS)
        change, eta, rounds = float(np.abs(new - eta).max()), new, rounds + 1
    return AnnotatorNoise(pooled, eta, rounds)
