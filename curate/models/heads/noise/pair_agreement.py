"""How many labels held-out margins side with, pair by pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curate.data.json_result import JsonResult
from curate.data.json_types import JsonObject

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RESAMPLES = 1000
_TAIL = 0.025
_MAX_CLUSTERS = 2000
"""Prompts beyond which several of them are resampled together."""


@dataclass(frozen=True)
class PairAgreement(JsonResult):
    """The share of labels that held-out heads side with.

    Attributes:
        pairs: labels that were compared.
        prompts: distinct prompts of these pairs.
        share: of the labels that agree; a margin of 0 counts as half; NaN without pairs.
        low: lower end of the 95 % interval, whole prompts resampled.
        high: upper end.
    """

    pairs: int
    prompts: int
    share: float
    low: float
    high: float

    @property
    def text(self) -> str:
        """Return the share and its interval as a sentence."""
        return (
            f"{self.share:.1%} of {self.pairs:,} labels (95 %, resampling {self.prompts:,} "
            f"prompts: {self.low:.1%} to {self.high:.1%})"
        )

    def to_json(self) -> JsonObject:
        """Return the agreement as plain data, with its sentence."""
        return super().to_json() | {"text": self.text}


def pair_agreement(
    margins: NDArray[np.float64], groups: NDArray[np.int64] | None = None
) -> PairAgreement:
    """Return the share of positive margins with a cluster bootstrap interval.

    Pairs of one prompt rise and fall together, so whole prompts are drawn with replacement.

    Args:
        margins: (votes,) held-out margins of the observed labels; not finite: left out.
        groups: (votes,) number of each vote's prompt; default each its own.
    """
    finite = np.isfinite(margins)
    if not finite.any():
        return PairAgreement(0, 0, float("nan"), 0.0, 1.0)
    numbers = np.flatnonzero(finite) if groups is None else groups[finite]
    cluster = np.unique(numbers, return_inverse=True)[1]
    prompts = int(cluster.max()) + 1
    agree = (np.sign(margins[finite]) + 1.0) / 2.0
    # Clusters of prompts are as independent as prompts, and of many there are enough.
    sums, counts = (
        np.bincount(cluster % _MAX_CLUSTERS, weights=w) for w in (agree, np.ones(len(agree)))
    )
    # A fixed seed: the same margins must print the same interval in every run.
    draws = np.random.default_rng(0).integers(len(sums), size=(_RESAMPLES, len(sums)))
    shares = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    low, high = np.quantile(shares, (_TAIL, 1.0 - _TAIL))
    return PairAgreement(len(agree), prompts, float(agree.mean()), float(low), float(high))
