"""An interval for the share of wrong labels that holds whenever the reviewer stops.

Betting: for each candidate rate, a gambler bets that the next verdict does not fit it. If the rate
is true the bets are fair, so that the gambler's money exceeds 20 times the stake at any time with
a chance of at most 1 in 20 (Ville's inequality). The rates against which no gambler became that
rich are a confidence sequence (Waudby-Smith and Ramdas 2024, JRSS B 86, arXiv 2010.09686).
Pairs are drawn without replacement with known weights, and predictions serve as control variates
(Shekhar et al. 2023, arXiv 2305.06884; active draws as in Zrnic and Candes 2024, arXiv 2403.03208).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl
    from numpy.typing import NDArray

_TINY = 1e-6
"""Pairs, below which a sum counts as 0."""
LEVEL = 0.95
"""Chance that all intervals of a review hold the true rate."""
_RATES = np.linspace(0.0, 1.0, 401)
# Mixing over log-spaced bets needs no guess at the rate ("diversified Kelly", section 4.4 of the
# paper). Twelve per side were as narrow as twenty-four.
_FRACTIONS = np.geomspace(0.01, 0.95, 12)
"""Fractions of the largest bet that cannot lose more than the stake."""


@dataclass(frozen=True)
class DrawDesign:
    """How pairs are drawn one after another, without replacement.

    Attributes:
        weights: (pairs,) above 0: the next pair is drawn in proportion to them.
        predictions: (pairs,) probability that the label is wrong, fixed before the first verdict.
    """

    weights: NDArray[np.float64]
    predictions: NDArray[np.float64]

    @classmethod
    def uniform(cls, size: int) -> DrawDesign:
        """Return the design of a plain random draw from `size` pairs."""
        return cls(np.ones(size), np.zeros(size))

    @classmethod
    def from_sample(cls, sample: pl.DataFrame) -> DrawDesign | None:
        """Return how the rows of a sample of `curate route` were drawn; None for strata."""
        if sample["weight"].has_nulls() or not len(sample):
            return None
        predictions = sample["prediction"].fill_null(strategy="mean").fill_null(0.0)
        return cls(sample["weight"].to_numpy(), predictions.to_numpy())


class ConfidenceSequence:
    """The interval after each verdict; all of them hold together with a chance of 95 %.

    The rate is the share of wrong labels among the pairs of the set that can be judged. With
    x_i(m) = v_i (y_i - m), v_i = 1 for judgeable pairs, the true m is where the sum over all pairs
    is 0; Z_t = sum of seen x + sum of unseen g + (x_i - g_i) / p_i estimates this sum without bias
    from the pair i drawn at t with probability p_i, whatever g is: g_i = c f_i - m, with c = 0 and,
    where there are predictions f, c = 1. The money is the mean over c and bets b of the products
    of 1 + b Z_t.

    Args:
        design: how the pairs are drawn.

    Examples:
        >>> sequence = ConfidenceSequence(DrawDesign.uniform(1000))
        >>> wrong = (3, 4, 11, 25, 31, 38, 46)
        >>> sequence.add_all((n, float(n in wrong)) for n in range(50))
        >>> f"{sequence.low:.0%} to {sequence.high:.0%}"
        '4% to 34%'
    """

    def __init__(self, design: DrawDesign) -> None:
        self.low, self.high = 0.0, 1.0
        """Limits of the rate after the verdicts so far."""
        self.votes = 0
        """Verdicts that found a label right, wrong or tied."""
        self._design, self._total_weight = design, float(design.weights.sum())
        has_predictions = bool((design.predictions != design.predictions[0]).any())
        self._models = [
            _ControlVariate(share, design) for share in ((0.0, 1.0) if has_predictions else (0.0,))
        ]
        self._rates = _RATES
        bets = 2 * len(_FRACTIONS) * len(self._models)
        self._money = np.full((len(_RATES), bets), 1.0)
        self._sums = np.zeros(2)

    @property
    def rate(self) -> float | None:
        """Return the estimate, the mean over all draws so far; None before the first verdict."""
        intercept, slope = self._sums
        return float(np.clip(intercept / slope, self.low, self.high)) if self.votes else None

    def add_all(self, verdicts: Iterable[tuple[int, float | None]]) -> None:
        """Add verdicts in the order of the draw, as `add` does."""
        for pair, wrong in verdicts:
            self.add(pair, wrong)

    def add(self, pair: int, wrong: float | None) -> None:
        """Add the verdict on the next pair of the draw.

        Args:
            pair: position of the pair in the design.
            wrong: 1 for a wrong label, 0 for a right one, 0.5 for a tie; None: cannot be judged.
        """
        factors = []
        for model in self._models:
            estimate = model.estimate(pair, wrong, self._total_weight)
            factors.append(model.returns(self._rates, estimate, self._total_weight))
            model.add(pair, wrong)
        self._money *= np.concatenate(factors, axis=1)
        # With predictions, the estimate that uses them.
        self._sums += estimate
        self._total_weight -= float(self._design.weights[pair])
        self.votes += wrong is not None
        self._drop_refuted_rates()

    def _drop_refuted_rates(self) -> None:
        is_possible = self._money.mean(axis=1) < 1.0 / (1.0 - LEVEL)
        # No rate is left in at most 5 % of the reviews: the last interval then stays.
        if is_possible.any():
            self._rates, self._money = self._rates[is_possible], self._money[is_possible]
        step = float(_RATES[1])
        # Outwards by a step: between two rates of the grid none was tested.
        self.low = max(float(self._rates[0]) - step, 0.0)
        self.high = min(float(self._rates[-1]) + step, 1.0)


class _ControlVariate:
    """The estimate Z_t(m) = intercept - slope * m for one c; both are given as an array of two."""

    def __init__(self, share: float, design: DrawDesign) -> None:
        self._weights, self._predictions = design.weights, share * design.predictions
        # Of all pairs and not only the unseen ones: wider, hence still valid, and computed once.
        self._most_below = float((self._predictions / design.weights).max())
        self._most_above = float(((1.0 - self._predictions) / design.weights).max())
        # The part of Z_t that is known before the draw: seen x, and g of the unseen pairs.
        self._centre = np.array([self._predictions.sum(), len(design.weights)])

    def estimate(self, pair: int, wrong: float | None, total_weight: float) -> NDArray[np.float64]:
        """Return Z_t after the verdict on a pair; `total_weight` is that of all unseen pairs."""
        vote, value = (0.0, 0.0) if wrong is None else (1.0, wrong)
        # x - g = v (y - m) - (c f - m)
        difference = np.array([value - self._predictions[pair], vote - 1.0])
        estimate: NDArray[np.float64] = self._centre + difference * (
            total_weight / self._weights[pair]
        )
        return estimate

    def returns(
        self, rates: NDArray[np.float64], estimate: NDArray[np.float64], total_weight: float
    ) -> NDArray[np.float64]:
        """Return what each bet multiplies its money by: (rates, bets), 0 or more."""
        centre = self._centre[0] - self._centre[1] * rates
        lowest = centre - total_weight * self._most_below
        highest = centre + total_weight * self._most_above
        z = estimate[0] - estimate[1] * rates
        # No bet may lose more than the stake: b >= -1 / highest and b <= 1 / -lowest. Where only
        # one sign is possible, a tiny limit lets the bet win without bound.
        gain, loss = z / np.maximum(-lowest, _TINY), z / np.maximum(highest, _TINY)
        money = np.concatenate([np.outer(gain, _FRACTIONS), np.outer(loss, -_FRACTIONS)], axis=1)
        return np.maximum(1.0 + money, 0.0)

    def add(self, pair: int, wrong: float | None) -> None:
        """Move the pair from the unseen to the seen ones."""
        value = 0.0 if wrong is None else wrong
        self._centre += (value - self._predictions[pair], -1.0 if wrong is None else 0.0)
