"""How often the preferred answer has a trait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.stats import binomtest

from curate.data.json_result import JsonResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class TraitShare(JsonResult):
    """How often the preferred answer has a trait, among the pairs whose answers differ in it.

    Attributes:
        trait: name of the trait.
        pairs: pairs that are counted.
        share: share of them; None, as its limits, without any.
        low: lower end of the exact 95 % interval.
        high: upper end.
    """

    trait: str
    pairs: int
    share: float | None
    low: float | None
    high: float | None


def binomial_share(
    name: str, has_trait: NDArray[np.bool_], counted: NDArray[np.bool_]
) -> TraitShare:
    """Return the share among the counted pairs, with the 95 % interval of a binomial
    (Clopper-Pearson).
    """
    count, total = int((has_trait & counted).sum()), int(counted.sum())
    if total == 0:
        return TraitShare(name, 0, None, None, None)
    # Exact limits: normal ones of a few pairs would reach beyond 0 and 1.
    interval = binomtest(count, total).proportion_ci()
    return TraitShare(name, total, count / total, float(interval.low), float(interval.high))
