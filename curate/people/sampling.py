"""Draws pairs with known probabilities, so that verdicts on them estimate the noise rate."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from curate.errors import CurateError, first_line
from curate.write.run_files import is_run

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE = "sample.parquet"
Sampling = Literal["random", "stratified", "active"]
# By doubt: more would leave too few verdicts in each.
_STRATA = 5
_MIN_WRONG_RATE = 0.05
"""Smallest assumed share of wrong labels in a stratum when the budget is divided."""
_COLUMNS = {
    "pair_id": pl.String(),
    "stratum": pl.Int64(),
    "drawn": pl.Boolean(),
    "order": pl.Int64(),
    "weight": pl.Float64(),
    "prediction": pl.Float64(),
}
_UNIFORM_SHARE = 0.5
"""Least weight of a pair in an active draw, relative to the mean."""
_MIN_PAIRS_PER_STRATUM = 5
"""Pairs drawn from a stratum."""


def draw_sample(
    pairs: pl.DataFrame, suspicion: pl.Series | None, budget: int, sampling: Sampling, seed: int
) -> pl.DataFrame:
    """Draw pairs; return the columns of a sample for all pairs but ties.

    Columns: pair_id, stratum, drawn, order; weight, in proportion to which the next pair is drawn
    (null in strata); and prediction, the probability that the label is wrong (null without scores).

    `order` numbers the drawn pairs from 0 in random order, null for the others: reviewed in this
    order, the first of them are a random sample too, however many there are.

    "stratified" cuts the pairs into five parts of equal size by suspicion, and draws from each in
    proportion to the spread that its labels are expected to have (Neyman 1934), at least five.
    "active" draws one pair after another in proportion to this spread, mixed with a uniform draw
    (Zrnic and Candes 2024, arXiv 2403.03208).

    Args:
        pairs: the pair table.
        suspicion: (pairs,) probability that each label is wrong; None without such a score.
        budget: pairs to draw.
        sampling: how.
        seed: of the draw.

    Raises:
        CurateError: no score to make strata or weights of, or a budget too small for strata.
    """
    rng = np.random.default_rng(seed)
    votes = (~pairs["is_tie"]).to_numpy()
    frame = pairs.filter(pl.Series(votes)).select("pair_id")
    prediction = pl.lit(None, pl.Float64)
    if suspicion is not None:
        prediction = pl.lit(suspicion.filter(pl.Series(votes)).fill_nan(None))
    frame = frame.with_columns(prediction=prediction)
    if sampling == "active":
        return _draw_actively(frame, budget, rng)
    return _draw_by_stratum(frame, budget, sampling, rng)


def _draw_by_stratum(
    frame: pl.DataFrame, budget: int, sampling: Sampling, rng: np.random.Generator
) -> pl.DataFrame:
    """Return the sample of a random draw, or of one in each stratum."""
    stratum = np.zeros(len(frame), dtype=np.int64)
    if sampling == "stratified":
        stratum = _suspicion_strata(frame["prediction"], budget)
    values = frame["prediction"].fill_null(0.5).to_numpy()
    is_drawn = np.zeros(len(frame), dtype=bool)
    for number, count in enumerate(_stratum_budgets(stratum, values, min(budget, len(frame)))):
        rows = np.flatnonzero(stratum == number)
        # Without replacement, each pair of a stratum with the same probability.
        is_drawn[rng.permutation(rows)[:count]] = True
    order = _random_order(is_drawn, rng)
    weight = pl.lit(1.0 if sampling == "random" else None, pl.Float64)
    return frame.with_columns(
        stratum=pl.Series(stratum), drawn=pl.Series(is_drawn), order=order, weight=weight
    ).select(list(_COLUMNS))


def _draw_actively(frame: pl.DataFrame, budget: int, rng: np.random.Generator) -> pl.DataFrame:
    """Return the sample of an active draw; the order of the draw is the order of review."""
    if not frame["prediction"].count():
        raise _no_score_error("--active", "an active draw needs")
    values = frame["prediction"].fill_null(0.5).to_numpy()
    spread = np.sqrt(values * (1.0 - values))
    # The uniform part keeps every weight at half of the mean or more: a label that the predictions
    # call certain, and that is wrong, would otherwise count without bound.
    relative = spread / spread.mean() if spread.any() else np.ones(len(spread))
    weight = (1.0 - _UNIFORM_SHARE) * relative + _UNIFORM_SHARE
    # Exponential clocks ring in the order of a draw by weight, one after another (Efraimidis and
    # Spirakis 2006).
    rank = np.argsort(np.argsort(rng.exponential(size=len(frame)) / weight))
    is_drawn = pl.Series(rank < budget)
    order = pl.select(pl.when(is_drawn).then(pl.Series(rank))).to_series()
    return frame.with_columns(
        stratum=pl.lit(0), drawn=is_drawn, order=order, weight=pl.Series(weight)
    ).select(pl.col(name).cast(dtype) for name, dtype in _COLUMNS.items())


def _no_score_error(option: str, problem: str) -> CurateError:
    fix = "add the scorer noise_score or label_em to the run, or use --random"
    return CurateError(f"{problem} a score for wrong labels", where=option, fix=fix)


def _random_order(is_drawn: NDArray[np.bool_], rng: np.random.Generator) -> pl.Series:
    """Return random numbers from 0 for the drawn pairs, null for the others."""
    order = np.full(len(is_drawn), -1, dtype=np.int64)
    # Across strata, so that a review that ends early has seen all of them.
    order[is_drawn] = rng.permutation(int(is_drawn.sum()))
    return pl.Series(order).replace(-1, None)


def _suspicion_strata(prediction: pl.Series, budget: int) -> NDArray[np.int64]:
    if not prediction.count():
        raise _no_score_error("--stratified", "strata need")
    if budget < _STRATA * _MIN_PAIRS_PER_STRATUM:
        raise CurateError(
            "the budget is too small for strata",
            where="--stratified",
            found=str(budget),
            expected=f"{_STRATA * _MIN_PAIRS_PER_STRATUM} or more, or --random",
        )
    # A pair without a score is as suspicious as the mean pair.
    filled = prediction.fill_null(strategy="mean").fill_null(0.5)
    # Ranks, not values: scores that pile up at one end would leave strata empty.
    rank = filled.rank("ordinal").to_numpy().astype(np.int64) - 1
    strata: NDArray[np.int64] = rank * _STRATA // max(len(rank), 1)
    return strata


def _stratum_budgets(
    stratum: NDArray[np.int64], values: NDArray[np.float64], budget: int
) -> list[int]:
    """Return pairs to draw from each stratum."""
    sizes = np.bincount(stratum)
    if len(sizes) == 1:
        return [budget]
    # The spread of a share p is sqrt(p (1 - p)): sure strata need few judgements, but some.
    means = np.clip(
        np.bincount(stratum, weights=values) / sizes, _MIN_WRONG_RATE, 1.0 - _MIN_WRONG_RATE
    )
    # Neyman (1934): in proportion to size times standard deviation, which minimises the variance.
    expected = sizes * np.sqrt(means * (1.0 - means))
    expected = budget * expected / expected.sum()
    counts = np.minimum(np.maximum(np.floor(expected).astype(int), _MIN_PAIRS_PER_STRATUM), sizes)
    # The least per stratum can exceed the budget, and rounding down leaves some of it.
    while counts.sum() > budget:
        counts[counts.argmax()] -= 1
    while counts.sum() < budget and (counts < sizes).any():
        counts[np.where(counts < sizes, expected - counts, -np.inf).argmax()] += 1
    return [int(count) for count in counts]


def _order_by_id() -> pl.Expr:
    digests = pl.col("pair_id").map_elements(
        lambda pair_id: blake2b(pair_id.encode()).hexdigest(), return_dtype=pl.String
    )
    place = pl.when("drawn").then(digests).rank("ordinal").cast(pl.Int64) - 1
    return place.alias("order")


def sample_folder(paths: Sequence[Path]) -> Path | None:
    """Return the sample folder of verdict paths; None if there is none, or several.

    Args:
        paths: folders of draws, or files in their `verdicts/`.
    """
    folders = {path if path.is_dir() else path.parent.parent for path in paths}
    draws = [folder for folder in folders if (folder / SAMPLE).is_file()]
    return draws[0] if len(draws) == len(folders) == 1 else None


def resume_command(paths: Sequence[Path], sample: Path | None) -> str:
    """Return the command that continues the review of a sample.

    Args:
        paths: of the verdicts; see `sample_folder`.
        sample: folder of the draw; None where it is not known.
    """
    draw_path = "DRAWN" if sample is None else shlex.quote(str(sample))
    folders = {path if path.is_dir() else path.parent.parent for path in paths}
    runs = [folder for folder in folders if is_run(folder)]
    if len(runs) == 1:
        return f"curate review {shlex.quote(str(runs[0]))} --sample {draw_path}"
    return f"curate review {draw_path}"


def read_sample(folder: Path) -> pl.DataFrame:
    """Return the sample of a folder of `curate route`; see `draw_sample` for its columns.

    Raises:
        CurateError: the folder holds none.
    """
    path = folder / SAMPLE
    try:
        sample = pl.read_parquet(path)
        # Draws of older versions have no order. Any that ignores the pairs' content is as good.
        if "order" not in sample.columns:
            sample = sample.with_columns(_order_by_id())
        if "weight" not in sample.columns:
            is_plain = pl.col("stratum").max() == 0
            weight = pl.when(is_plain).then(1.0)
            sample = sample.with_columns(weight=weight, prediction=None)
        return sample.select(pl.col(name).cast(dtype) for name, dtype in _COLUMNS.items())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CurateError(
            "cannot read the sample",
            where=str(path),
            found=first_line(error),
            expected="a folder written by 'curate route' with --random, --stratified or --active",
        ) from None
