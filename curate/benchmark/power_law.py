"""Learning curves: error = limit + size * (n / worth)^-exponent, with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares

from curate.data.json_types import Json, JsonObject, parse_json

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
        exponent: exponent of the decrease.
        worth: (rates,) noisy pairs at which as much is learned as from one clean pair; worth[0] is
            that of the clean rate, 1.
    """

    limit: float
    size: float
    exponent: float
    worth: NDArray[np.float64]

    def to_json(self) -> JsonObject:
        """Return the parameters as plain data."""
        return {
            "limit": self.limit,
            "size": self.size,
            "exponent": self.exponent,
            "worth": self.worth.tolist(),
        }

    @classmethod
    def from_json(cls, values: Json) -> PowerLaw:
        """Return the law that `to_json` gave; raises ValueError for other data."""
        law = parse_json(dict[str, float | list[float]], values)
        limit, size, exponent = (
            parse_json(float, law.get(n)) for n in ("limit", "size", "exponent")
        )
        return cls(limit, size, exponent, np.array(parse_json(list[float], law.get("worth"))))

    def error(self, pairs: NDArray[np.float64] | float, rate: int = 0) -> NDArray[np.float64]:
        """Return the predicted error at a number of pairs of a noise rate's number."""
        errors: NDArray[np.float64] = self.limit + self.size * np.power(
            np.asarray(pairs) / self.worth[rate], -self.exponent
        )
        return errors

    def gain_of_doubling(self, pairs: float) -> float:
        """Return the error that twice as many clean pairs take away."""
        return float(self.error(pairs) - self.error(2.0 * pairs))

    def enough(self, gain: float) -> float:
        """Return the clean pairs from which on doubling takes away less than `gain`."""
        # Doubling n pairs gains size n^-exponent (1 - 2^-exponent), solved for n.
        first_gain = self.size * (1.0 - 2.0**-self.exponent)
        return float((first_gain / gain) ** (1.0 / self.exponent))


def fit_power_law(sizes: NDArray[np.float64], errors: NDArray[np.float64]) -> PowerLaw:
    """Fit mean errors (rates, sizes), the first row clean, by least squares; sizes are (sizes,).

    Limit and exponent are common to all rates: symmetric flips cost pairs, and do not change what
    endless pairs would teach (Natarajan et al. 2013: as many as 1 / (1 - 2 r)^2 for one).
    """
    rates = len(errors)
    span = max(float(errors.max() - errors.min()), _TINY)

    def law_from_point(point: NDArray[np.float64]) -> PowerLaw:
        # Logarithms of what must be positive: the solver needs no bounds to keep it so.
        worth = np.concatenate([[1.0], np.exp(point[3:])])
        return PowerLaw(float(point[0]), float(np.exp(point[1])), float(point[2]), worth)

    def residuals(point: NDArray[np.float64]) -> NDArray[np.float64]:
        law = law_from_point(point)
        predicted = np.stack([law.error(sizes, rate) for rate in range(rates)])
        # Divided by the span, so that the solver's tolerances fit curves that hardly fall.
        return ((predicted - errors) / span).ravel()

    low = [LIMITS[0], -20.0, EXPONENTS[0], *[np.log(WORTHS[0])] * (rates - 1)]
    high = [LIMITS[1], 20.0, EXPONENTS[1], *[np.log(WORTHS[1])] * (rates - 1)]
    fits = []
    for limit, exponent in _STARTS:
        # So that the starting curve passes through the error of the smallest set.
        scale = np.log(span * sizes[0] ** exponent)
        start = np.clip([limit, scale, exponent, *[1.0] * (rates - 1)], low, high)
        fits.append(least_squares(residuals, start, bounds=(low, high)))
    return law_from_point(min(fits, key=lambda fit: float(fit.cost)).x)


def fit_resampled(
    sizes: NDArray[np.float64],
    errors: NDArray[np.float64],
    draws: int,
    rng: np.random.Generator,
) -> list[PowerLaw]:
    """Return the fits to bootstrap draws of the seeds; errors are (seeds, rates, sizes)."""
    samples = rng.integers(len(errors), size=(draws, len(errors)))
    return [fit_power_law(sizes, errors[rows].mean(axis=0)) for rows in samples]


def inside_bounds(value: float, bounds: tuple[float, float]) -> float | None:
    """Return the value; None where the fit ended at a bound, which says nothing but that it may lie
    there.

    Args:
        value: fitted.
        bounds: bounds of the fit, or of what is reported.
    """
    tolerance = _AT_BOUND * max(abs(value), 0.1)
    return value if bounds[0] + tolerance < value < bounds[1] - tolerance else None


def bootstrap_interval(values: list[float]) -> tuple[float, float]:
    """Return the middle 95 % of bootstrap values."""
    tail = (1.0 - _CONFIDENCE) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)
