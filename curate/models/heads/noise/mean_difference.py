"""Whether something is surely better than something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Three, not two: a pipeline tests several gains, and one false gain in 700 is acceptable.
_SURE = 3.0
"""Standard errors above 0 from which on a mean gain is sure."""


@dataclass(frozen=True)
class MeanDifference:
    """A mean gain, its standard error, and whether it is surely above 0.

    Examples:
        >>> MeanDifference.of(np.array([0.2, 0.3, 0.1, 0.2])).sure
        True
        >>> MeanDifference.of(np.array([0.2, -0.3, 0.1, 0.2])).sure
        False
    """

    mean: float
    error: float
    sure: bool

    @classmethod
    def of(cls, gains: NDArray[np.float64]) -> MeanDifference:
        """Return the mean of (n,) gains; the mean of fewer than two is never sure."""
        if len(gains) < 2:
            return cls(float(gains.mean()) if len(gains) else 0.0, float("inf"), False)
        # ddof=1: the plain deviation of five gains is too small by a tenth.
        mean, error = gains.mean(), gains.std(ddof=1) / np.sqrt(len(gains))
        return cls(float(mean), float(error), bool(mean > _SURE * error))

    def facts(self, name: str, error: str = "gain_standard_error") -> dict[str, float]:
        """Return the mean under `name` and standard error, rounded, for the manifest."""
        return {name: round(self.mean, 4), error: round(self.error, 4)}
