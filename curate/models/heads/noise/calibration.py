"""Temperature of held-out margins, and how far their probabilities can be trusted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit

from curate.data.json_result import JsonResult
from curate.data.json_types import JsonObject
from curate.data.table import batch_slices

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A scale from 1/1,100 to 1,100: beyond it the loss is flat.
_LOG_BOUNDS = (-7.0, 7.0)
_BINS = 10
_BLOCK = 1 << 16
_HALF = 0.5


@dataclass(frozen=True)
class ReliabilityBin(JsonResult):
    """Pairs of similar confidence.

    Attributes:
        confidence: mean confidence of the head's choice.
        accuracy: share of the pairs whose label agrees with it.
        pairs: number of pairs.
    """

    confidence: float
    accuracy: float
    pairs: int


@dataclass(frozen=True)
class Calibration(JsonResult):
    """How margins agree with the observed labels.

    Attributes:
        pairs: number of pairs.
        accuracy: share of positive margins; a margin of 0 counts half.
        scale: inverse temperature of greatest likelihood, 0 for uninformative margins.
        log_loss: mean -log sigma(scale m) of the labels, in nats.
        error_before: expected calibration error of sigma(m).
        error: the same after scaling.
    """

    pairs: int
    accuracy: float
    scale: float
    log_loss: float
    error_before: float
    error: float

    def to_json(self) -> JsonObject:
        """Return the calibration as plain data, rounded for the manifest."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def label_agreement(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 where a margin sides with the label, 0 where it does not, a half where it is exactly
    0."""
    return (np.sign(margins) + 1.0) / 2.0


def fit_scale(margins: NDArray[np.float64]) -> float:
    """Return the scale a >= 0 that maximises sum log sigma(a m): one over the temperature (Guo
    2017)."""
    if len(margins) == 0 or margins.sum() <= 0:
        # The likelihood is concave in the scale, and falls from 0 on where the sum is not positive.
        return 0.0

    # In the log of the scale, which has no bound at 0 to run into.
    fit = minimize_scalar(
        lambda log_scale: scaled_log_loss(np.exp(log_scale), margins),
        bounds=_LOG_BOUNDS,
        method="bounded",
    )
    return float(np.exp(fit.x))


def scaled_log_loss(scale: float, margins: NDArray[np.float64]) -> float:
    """Return the mean -log sigma(scale m), in nats."""
    # In blocks that stay in the cache: a fit asks some thirty times.
    blocks = (margins[rows] for rows in batch_slices(len(margins), _BLOCK))
    return -sum(float(log_expit(scale * block).sum()) for block in blocks) / len(margins)


def calibrate(margins: NDArray[np.float64]) -> Calibration:
    """Fit the scale of (pairs,) held-out margins and measure them before and after.

    Examples:
        >>> calibration = calibrate(np.array([2.0, 1.0, 3.0, -1.0]))
        >>> calibration.pairs, calibration.accuracy
        (4, 0.75)
    """
    scale, has_margins = fit_scale(margins), len(margins) > 0
    # A margin of exactly 0 takes no side, so it counts half.
    right = (
        float((margins > 0).mean() + 0.5 * (margins == 0).mean()) if has_margins else float("nan")
    )
    return Calibration(
        pairs=len(margins),
        accuracy=right,
        scale=scale,
        log_loss=scaled_log_loss(scale, margins) if has_margins else float("nan"),
        error_before=calibration_error(margins),
        error=calibration_error(margins, scale),
    )


def calibration_error(margins: NDArray[np.float64], scale: float = 1.0) -> float:
    """Return the expected calibration error over ten bins of equal size (Naeini et al. 2015).

    The head's choice is the answer of larger reward, with confidence sigma(|scale m|) in [0.5, 1];
    it is right where it agrees with the label.
    """
    if len(margins) == 0:
        return float("nan")
    bins = reliability_curve(margins, scale)
    off = sum(
        reliability.pairs * abs(reliability.confidence - reliability.accuracy)
        for reliability in bins
    )
    return off / len(margins)


def reliability_curve(margins: NDArray[np.float64], scale: float = 1.0) -> list[ReliabilityBin]:
    """Return the bins of `calibration_error`."""
    # Bins of equal size: of equal width most would be empty.
    # A stable sort: ties of margins must not change the bins from machine to machine.
    order = np.argsort(np.abs(margins), kind="stable")
    bins = [margins[rows] for rows in np.array_split(order, _BINS) if len(rows)]
    return [
        ReliabilityBin(
            float(expit(scale * np.abs(bin_margins)).mean()),
            # At a scale of 0 nothing is chosen: all count half.
            float(label_agreement(bin_margins).mean()) if scale else _HALF,
            len(bin_margins),
        )
        for bin_margins in bins
    ]
