"""BeeS: several margins give one probability of the label; the most certain pairs stay."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit

from curate import (
    HIGHER,
    Column,
    Context,
    Filter,
    FilterResult,
    MissingParams,
    as_numeric_column,
)
from curate.scoring.filtering import keep_best

if TYPE_CHECKING:
    from numpy.typing import NDArray


class BeeSParams(MissingParams):
    """Parameters of `bees`."""

    margins: tuple[str, ...] = Field(
        min_length=1, description="Columns of margins, such as an external and an implicit one."
    )
    keep: float = Field(0.1, ge=0, le=1, description="Share of the pairs that is kept.")


class BeeS(Filter[BeeSParams]):
    """Combine several margins into one probability of the label, and keep the most certain pairs.

    P = prod p_i / (prod p_i + prod (1 - p_i)): sources that are independent given the truth
    multiply their odds (BeeS, arXiv 2502.14560). `probability` is P, 0 to 1. The map from a margin
    to p_i is ours: the sigmoid of the margin over its root mean square, so that units do not
    matter. Use it to train on few pairs; sources that learned from the same labels are not
    independent, and make P too certain.

    Examples:
        >>> aggregate_margins(np.array([[1.0, 2.0], [-1.0, -2.0]])).round(3).tolist()
        [0.881, 0.119]
    """

    name = "bees"
    purpose = "keep the best"
    when = (
        "To train on few pairs about which several sources are certain. Sources that learned "
        "from the same labels are not independent: their P is too extreme."
    )
    summary = "combine several margins into one probability, keep the most certain pairs (BeeS)"
    reference = "Less is More, arXiv 2502.14560 (Bayesian aggregation)"
    Params = BeeSParams
    drop_codes = ("bees_rank", "bees_missing")

    def reads(self) -> tuple[str, ...]:
        """Read the margins."""
        return self.params.margins

    def adds(self) -> tuple[Column, ...]:
        """Add the probability."""
        meaning = "probability that the label is right, from all margins"
        return (Column("probability", meaning, "float", HIGHER, "0 to 1"),)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep the pairs of largest probability."""
        p = self.params
        values = np.stack(
            [
                as_numeric_column(pairs[c], self.name).fill_null(np.nan).to_numpy()
                for c in p.margins
            ],
            axis=1,
        )
        probability = pl.Series("probability", aggregate_margins(values)).fill_nan(None)
        verdict = keep_best(
            probability,
            p.keep,
            "max",
            p.missing,
            "BeeS",
            "a margin is missing",
            self.drop_codes,
        )
        return replace(verdict, added=probability.to_frame())


def aggregate_margins(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (pairs,) probabilities of the labels by (pairs, sources) margins."""
    # Divided by the root mean square: a reward model of large scores must not outvote others.
    size = np.sqrt(np.nanmean(np.square(margins), axis=0)) if len(margins) else 1.0
    # The product of odds is the sum of log odds.
    odds = margins / np.where(size > 0, size, 1.0)
    probability: NDArray[np.float64] = expit(odds.sum(axis=1))
    return probability
