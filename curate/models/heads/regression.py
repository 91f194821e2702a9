"""How far a difference moves the vote: a Bradley-Terry regression with robust errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit
from scipy.stats import norm

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Newton's steps at most.
_ROUNDS = 50
# Features that separate the labels would have infinite coefficients.
_RIDGE = 1e-6
Z95 = 1.959963984540054
"""Standard errors to either side of a 95 % interval."""
# A coefficient from fewer prompts is theirs, not the annotators.
_MIN_PROMPTS = 10


@dataclass(frozen=True)
class VoteRegression:
    """Coefficients of log odds of the vote on differences chosen minus rejected.

    Attributes:
        coefficients: (columns,) a standard deviation of a difference adds so many nats.
        errors: (columns,) standard errors, robust for pairs of one prompt.
        scale: (columns,) root mean square by which each difference was divided.
        deviance: mean log loss of the fit, nats.
    """

    coefficients: NDArray[np.float64]
    errors: NDArray[np.float64]
    scale: NDArray[np.float64]
    deviance: float

    def log_odds(self, differences: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return log odds of votes for the first answers of other pairs, (pairs,)."""
        log_odds: NDArray[np.float64] = (differences / self.scale) @ self.coefficients
        return log_odds

    def interval(self, column: int) -> tuple[float, float]:
        """Return the 95 % interval of a coefficient."""
        centre, spread = float(self.coefficients[column]), Z95 * float(self.errors[column])
        return centre - spread, centre + spread

    def p_value(self, column: int) -> float:
        """Return the two-sided p value that the coefficient is 0."""
        error = float(self.errors[column])
        if error == 0:
            return 1.0
        return float(2.0 * norm.sf(abs(float(self.coefficients[column])) / error))

    def row(self, column: int) -> dict[str, float]:
        """Return coefficient, interval and p value of a column, as plain data."""
        low, high = self.interval(column)
        return {
            "coefficient": round(float(self.coefficients[column]), 4),
            "low": round(low, 4),
            "high": round(high, 4),
            "p_value": self.p_value(column),
        }


def fit_vote_regression(
    differences: NDArray[np.float64], groups: NDArray[np.int64]
) -> VoteRegression:
    """Fit -log sigma(x b) by Newton's method; every row is a vote for its first answer.

    There is no intercept, since swapping the answers must negate the log odds. Columns are divided
    by their root mean square first; those of constant 0 get the coefficient 0.

    Args:
        differences: (pairs, columns) chosen minus rejected.
        groups: (pairs,) prompt of each pair: the sandwich errors sum scores within it.
    """
    size = np.sqrt(np.square(differences).mean(axis=0))
    scale = np.where(size > 0, size, 1.0)
    x = differences / scale
    b = np.zeros(x.shape[1])
    for _ in range(_ROUNDS):
        doubt = expit(-x @ b)
        # A trace of a ridge: separable labels would send the coefficients to infinity.
        gradient = x.T @ doubt - _RIDGE * len(x) * b
        step = np.linalg.solve(_hessian(x, doubt), gradient)
        b = b + step
        if np.abs(step).max() < 1e-10:
            break
    doubt = expit(-x @ b)
    # The sandwich: bread is the curvature, the meat between are the scores by prompt.
    bread = np.linalg.inv(_hessian(x, doubt))
    scores = np.zeros((int(groups.max()) + 1 if len(groups) else 1, x.shape[1]))
    # Pairs of one prompt are not independent: their scores are summed before they are squared.
    np.add.at(scores, groups, x * doubt[:, None])
    # Clustered errors (Liang and Zeger 1986): plain ones are too small with several pairs a prompt.
    covariance = bread @ (scores.T @ scores) @ bread
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0)) * (size > 0)
    return VoteRegression(b * (size > 0), errors, scale, float(np.logaddexp(0.0, -x @ b).mean()))


def estimable_columns(
    differences: NDArray[np.float64], groups: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which columns can have a coefficient: they differ in ten prompts, and not always one
    way.

    Where the answers with more of something always won, the likelihood has no maximum, and errors
    that look small mean nothing.
    """
    is_estimable = []
    for column in differences.T:
        prompts = len(np.unique(groups[column != 0]))
        is_estimable.append(prompts >= _MIN_PROMPTS and (column > 0).any() and (column < 0).any())
    return np.array(is_estimable, dtype=bool)


def held_out_log_odds(
    differences: NDArray[np.float64], groups: NDArray[np.int64], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return log odds of each vote by the fit on the other folds, (pairs,); 0 where there is no
    other."""
    log_odds = np.zeros(len(differences))
    for fold in np.unique(folds):
        is_test = folds == fold
        # With one fold there is nothing to learn from.
        if is_test.all():
            break
        fit = fit_vote_regression(
            differences[~is_test], np.unique(groups[~is_test], return_inverse=True)[1]
        )
        log_odds[is_test] = fit.log_odds(differences[is_test])
    return log_odds


def explained_bits(log_odds: NDArray[np.float64]) -> float:
    """Return bits per vote that held-out log odds explain: 1 - mean log loss / ln 2."""
    return round(1.0 - float(np.logaddexp(0.0, -log_odds).mean()) / math.log(2.0), 4)


def _hessian(x: NDArray[np.float64], doubt: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = doubt * (1.0 - doubt)
    hessian: NDArray[np.float64] = (x * weights[:, None]).T @ x
    # The constant keeps the matrix invertible if there are no rows.
    return hessian + (_RIDGE * len(x) + 1e-12) * np.eye(x.shape[1])
