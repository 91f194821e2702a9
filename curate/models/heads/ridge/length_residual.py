"""Margins compared among pairs whose answers differ alike in length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.hashes import select_in_batches
from curate.data.table import messages_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

# At most so many strata of length, of at least so many pairs each.
_STRATA, _SMALLEST = 20, 25


def length_residual_margins(
    margin: NDArray[np.float64], pairs: pl.DataFrame, voting: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return margins minus the mean margin of pairs with a similar length difference, (pairs,).

    Pairs are put into at most 20 strata of like absolute difference in log characters. In each, the
    mean margin towards the longer answer is taken out: what is left says how much more, or less,
    the label is believed than those of pairs like it. It is odd as the margin is: a swap of the
    answers negates it. No label of the pair itself enters, since margin and direction change sign
    together when it is flipped.

    Args:
        margin: (pairs,) held-out margins of the observed labels.
        pairs: the pair table.
        voting: (pairs,) which of them hold a vote; means are over these.
    """
    sizes = {
        side: messages_text(side).str.len_chars().cast(pl.Float64).log1p()
        for side in ("chosen", "rejected")
    }
    size = select_in_batches(pairs, d=sizes["chosen"] - sizes["rejected"])["d"].to_numpy()
    direction = np.sign(size)
    counted = voting & (direction != 0)
    count = int(counted.sum())
    if not count:
        return margin
    # Strata of a few pairs would subtract each pair's own margin from itself.
    strata = int(np.clip(count // _SMALLEST, 1, _STRATA))
    edges = np.quantile(np.abs(size[counted]), np.arange(1, strata) / strata)
    stratum = np.searchsorted(edges, np.abs(size), side="right")
    total = np.bincount(stratum[counted], weights=(margin * direction)[counted], minlength=strata)
    mean = total / np.maximum(np.bincount(stratum[counted], minlength=strata), 1)
    residual: NDArray[np.float64] = margin - direction * mean[stratum]
    return residual
