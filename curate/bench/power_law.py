"""Learning curves: error = limit + size * (n / worth)^-exponent, with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMITS = (0.0, 0.5)
# Wide of published ones: 0.07 to 0.35 in Hestness et al. 2017 (arXiv 1712.00409).
EXPONENTS = (0.05, 2.0)
# A clean pair worth more noisy ones than the upper one is worth infinitely many.
WORTHS = (float(np.exp(-1.0)), 1e4)
# Share of a value, or of a tenth, within which it counts as having ended at its bound.
_AT_BOUND = 1e-3
# Limit and exponent; the fit has several optima.
_STARTS = ((0.1, 0.5), (0.25, 1.0), (0.02, 0.3))
_CONFIDENCE = 0.95
_TINY = 1e-4


@dataclass(frozen=True)
class PowerLaw:
    """err(n, r) = limit + size (n / worth_r)^-exponent.

    Attributes:
        limit: error that no number of pairs goes below, 0 to 0.5.
        size: error above the limit at one clean pair.
        exponent: of the fall.
        worth: (rates,) noisy pairs at which as much is learned as from one clean pair; worth[0] is
            that of the clean rate, 1.
    """

    limit: float
    size: float
    exponent: float
    worth: NDArray[np.float64]

    def error(self, pairs: NDArray[np.float64] | float, rate: int = 0) -> NDArray[np.float64]:
        """Predicted error at a number of pairs of a noise rate's number."""
        found: NDArray[np.float64] = self.limit + self.size * np.power(
            np.asarray(pairs) / self.worth[rate], -self.exponent
        )
        return found

    def gain_of_doubling(self, pairs: float) -> float:
        """Error that twice as many clean pairs take away."""
        return float(self.error(pairs) - self.error(2.0 * pairs))

    def enough(self, gain: float) -> float:
        """Clean pairs from which on doubling takes away less than `gain`."""
        first = self.size * (1.0 - 2.0**-self.exponent)
        return float((first / gain) ** (1.0 / self.exponent))


def fit_power_law(sizes: NDArray[np.float64], errors: NDArray[np.float64]) -> PowerLaw:
    """Least squares of mean errors (rates, sizes), the first row clean; sizes are (sizes,).

    Limit and exponent are common to all rates: symmetric flips cost pairs, and do not change what
    endless pairs would teach (Natarajan et al. 2013: as many as 1 / (1 - 2 r)^2 for one).
    """
    rates = len(errors)
    span = max(float(errors.max() - errors.min()), _TINY)

    def split(point: NDArray[np.float64]) -> PowerLaw:
        # Logarithms of what must be positive: the solver needs no bounds to keep it so.
        worth = np.concatenate([[1.0], np.exp(point[3:])])
        return PowerLaw(float(point[0]), float(np.exp(point[1])), float(point[2]), worth)

    def apart(point: NDArray[np.float64]) -> NDArray[np.float64]:
        law = split(point)
        made = np.stack([law.error(sizes, rate) for rate in range(rates)])
        # Divided by the span, so that the solver's tolerances fit curves that hardly fall.
        return ((made - errors) / span).ravel()

    low = [LIMITS[0], -20.0, EXPONENTS[0], *[np.log(WORTHS[0])] * (rates - 1)]
    high = [LIMITS[1], 20.0, EXPONENTS[1], *[np.log(WORTHS[1])] * (rates - 1)]
    fits = []
    for limit, exponent in _STARTS:
        scale = np.log(span * sizes[0] ** exponent)
        start = np.clip([limit, scale, exponent, *[1.0] * (rates - 1)], low, high)
        fits.append(least_squares(apart, start, bounds=(low, high)))
    return split(min(fits, key=lambda fit: float(fit.cost)).x)


def resampled(
    sizes: NDArray[np.float64],
    errors: NDArray[np.float64],
    draws: int,
    rng: np.random.Generator,
) -> list[PowerLaw]:
    """Fits to bootstrap draws of the seeds; errors are (seeds, rates, sizes)."""
    taken = rng.integers(len(errors), size=(draws, len(errors)))
    return [fit_power_law(sizes, errors[rows].mean(axis=0)) for rows in taken]


def within(value: float, bounds: tuple[float, float]) -> float | None:
    """The value; None where the fit ended at a bound, which says nothing but that it may lie there.

    Args:
        value: fitted.
        bounds: of the fit, or of what is told.
    """
    near = _AT_BOUND * max(abs(value), 0.1)
    return value if bounds[0] + near < value < bounds[1] - near else None


def interval(values: list[float]) -> tuple[float, float]:
    """The middle 95 % of bootstrap values."""
    tail = (1.0 - _CONFIDENCE) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)
