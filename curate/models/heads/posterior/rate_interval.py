"""The flip rate of the averaged posterior, where its interval was shown to hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.models.heads.posterior.averaging import AveragedPosterior

_TAIL = 0.025
_LEAST_RATE, _MAX_WIDTH = 0.1, 0.3
_WIDENING = 2.0
"""Flips of whole topics make the lower end too high: it lies twice as far below the mean."""


@dataclass(frozen=True)
class RateInterval:
    """The flip rate, if flips are random.

    Attributes:
        mean: of the averaged posterior.
        low: lower end of the 95 % interval.
        high: upper end: the bound by disagreement, which holds for flips of other kinds too.
    """

    mean: float
    low: float
    high: float


def rate_interval(averaged: AveragedPosterior, bound: float) -> RateInterval | None:
    """Mean and interval of the flip rate; None where simulation does not show that they hold.

    Flips of ambiguous pairs, and labels that follow length, look like labels without flips: the
    posterior reaches 0. Where its lower end is a tenth or more, heads see many clear labels
    contradicted, and the interval held the truth in all cells of `tests/benchmarks/coverage.py`.

    Args:
        averaged: posterior of the labels.
        bound: of the flip rate, by `disagreement_bound`.
    """
    mean, low = averaged.rate, averaged.rate_quantile(_TAIL)
    widened = max(mean - _WIDENING * (mean - low), 0.0)
    if low < _LEAST_RATE or bound - widened > _MAX_WIDTH or mean > bound:
        return None
    return RateInterval(mean, widened, bound)
