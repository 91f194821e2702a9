"""Draws pairs to be judged with known probabilities, so that their verdicts tell a rate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from curate.errors import CurateError, first_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE = "sample.parquet"
Sampling = Literal["random", "stratified"]
# By doubt: more would leave too few verdicts in each.
_STRATA = 5
_LEAST = 0.05
"""Of the chance that a label of a stratum is wrong, in sharing out the budget."""
_FEWEST = 5
"""Pairs drawn from a stratum."""


def draw(
    pairs: pl.DataFrame, suspicion: pl.Series | None, budget: int, sampling: Sampling, seed: int
) -> pl.DataFrame:
    """pair_id, stratum and whether it was drawn, of all pairs that are no ties.

    "stratified" cuts the pairs into five parts of equal size by suspicion, and draws from each in
    proportion to the spread that its labels are expected to have (Neyman 1934), at least five.

    Args:
        pairs: the pair table.
        suspicion: (pairs,) probability that each label is wrong; None where no score tells it.
        budget: pairs to draw.
        sampling: how.
        seed: of the draw.

    Raises:
        CurateError: no score to make strata of, or a budget too small for them.
    """
    rng = np.random.default_rng(seed)
    votes = (~pairs["is_tie"]).to_numpy()
    frame = pairs.filter(pl.Series(votes)).select("pair_id")
    stratum = np.zeros(len(frame), dtype=np.int64)
    if sampling == "stratified":
        stratum = _strata(suspicion, votes, budget)
    values = np.full(len(frame), 0.5)
    if suspicion is not None:
        values = suspicion.filter(pl.Series(votes)).fill_null(0.5).to_numpy()
    drawn = np.zeros(len(frame), dtype=bool)
    for number, count in enumerate(_shares(stratum, values, min(budget, len(frame)))):
        rows = np.flatnonzero(stratum == number)
        # Without replacement, each pair of a stratum with the same probability.
        drawn[rng.permutation(rows)[:count]] = True
    return frame.with_columns(stratum=pl.Series(stratum), drawn=pl.Series(drawn))


def _strata(
    suspicion: pl.Series | None, votes: NDArray[np.bool_], budget: int
) -> NDArray[np.int64]:
    if suspicion is None:
        raise CurateError(
            "no score tells suspicion, so there are no strata",
            where="--stratified",
            fix="add the scorer noise_score or label_em to the run, or take --random",
        )
    if budget < _STRATA * _FEWEST:
        raise CurateError(
            "the budget is too small for strata",
            where="--stratified",
            found=str(budget),
            expected=f"{_STRATA * _FEWEST} or more, or --random",
        )
    # A pair without a score is as suspicious as the mean pair.
    known = suspicion.filter(pl.Series(votes)).fill_null(strategy="mean").fill_null(0.5)
    # Ranks, not values: scores that pile up at one end would leave strata empty.
    rank = known.rank("ordinal").to_numpy().astype(np.int64) - 1
    found: NDArray[np.int64] = rank * _STRATA // max(len(rank), 1)
    return found


def _shares(stratum: NDArray[np.int64], values: NDArray[np.float64], budget: int) -> list[int]:
    """Pairs to draw from each stratum."""
    sizes = np.bincount(stratum)
    if len(sizes) == 1:
        return [budget]
    # The spread of a share p is sqrt(p (1 - p)): sure strata need few judgements, but some.
    means = np.clip(np.bincount(stratum, weights=values) / sizes, _LEAST, 1.0 - _LEAST)
    wanted = sizes * np.sqrt(means * (1.0 - means))
    wanted = budget * wanted / wanted.sum()
    counts = np.minimum(np.maximum(np.floor(wanted).astype(int), _FEWEST), sizes)
    # The least per stratum can exceed the budget, and rounding down leaves some of it.
    while counts.sum() > budget:
        counts[counts.argmax()] -= 1
    while counts.sum() < budget and (counts < sizes).any():
        counts[np.where(counts < sizes, wanted - counts, -np.inf).argmax()] += 1
    return [int(count) for count in counts]


def read_sample(folder: Path) -> pl.DataFrame:
    """The draw of a folder of `curate route`.

    Raises:
        CurateError: the folder holds none.
    """
    path = folder / SAMPLE
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CurateError(
            "the draw cannot be read",
            where=str(path),
            found=first_line(error),
            expected="a folder that 'curate route --random' or '--stratified' wrote",
        ) from None
