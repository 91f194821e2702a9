"""BeeS: one probability of the label from several margins, and the surest pairs kept."""

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
    check_readable,
)
from curate.steps.selection import keep_best

if TYPE_CHECKING:
    from numpy.typing import NDArray


class BeeSParams(MissingParams):
    """Parameters of `bees`."""

    margins: tuple[str, ...] = Field(
        min_length=1, description="Columns of margins, such as an external and an implicit one."
    )
    keep: float = Field(0.1, ge=0, le=1, description="Share of the pairs that is kept.")


class BeeS(Filter[BeeSParams]):
    """Bayesian aggregation of margins into the probability that the label is right.

    Sources that are independent given the truth multiply their odds: P = prod p_i / (prod p_i +
    prod (1 - p_i)). The pairs of largest P are kept: the paper's margin maximisation. The map from
    a margin to p_i is ours: the sigmoid of the margin over its root mean square, so that no source
    counts for more because its unit is smaller.
    """

    name = "bees"
    purpose = "keep the best"
    when = (
        "To train on few pairs of which several sources are sure. Sources that learned from the "
        "same labels are not independent: their P is too sure."
    )
    summary = "one probability from several margins, the surest pairs kept (BeeS)"
    reference = "Less is More, arXiv 2502.14560 (Bayesian aggregation)"
    Params = BeeSParams

    def reads(self) -> tuple[str, ...]:
        """The margins."""
        return self.params.margins

    def adds(self) -> tuple[Column, ...]:
        """The probability."""
        meaning = "probability that the label is right, by all margins together"
        return (Column("probability", meaning, "float", HIGHER, "0 to 1"),)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep the surest."""
        p = self.params
        values = np.stack(
            [check_readable(pairs[c], self.name).fill_null(np.nan).to_numpy() for c in p.margins],
            axis=1,
        )
        probability = pl.Series("probability", aggregated(values)).fill_nan(None)
        verdict = keep_best(probability, p.keep, "max", p.missing, "BeeS", "a margin is missing")
        return replace(verdict, added=probability.to_frame())


def aggregated(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of each label by (pairs, sources) margins; NaN where one is missing, (pairs,)."""
    # By their root mean square: a reward model of large scores must not outvote the others.
    size = np.sqrt(np.nanmean(np.square(margins), axis=0)) if len(margins) else 1.0
    # The product of odds is the sum of log odds.
    odds = margins / np.where(size > 0, size, 1.0)
    found: NDArray[np.float64] = expit(odds.sum(axis=1))
    return found
