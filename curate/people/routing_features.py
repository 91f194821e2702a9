"""Why a pair should go to people: uncertainty, disagreement, and features of the pair.

The features are those of Hybrid Preferences (arXiv 2410.19133) that need no model: lengths and the
overlap of the two answers, each in three bins of equal size.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from curate.data.hashes import content_keys
from curate.data.table import messages_text
from curate.errors import CurateError, suggestion

UNCERTAINTY: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "posterior": lambda x: -(x - 0.5).abs(),
    "probability": lambda x: -(x - 0.5).abs(),
    "margin": lambda x: -x.abs(),
    "agreement": lambda x: -x,
    "bald": lambda x: x,
    "variance": lambda x: x,
    "spread": lambda x: x,
}
"""Metrics of uncertainty, each with a transform that grows with uncertainty."""
BINS = ("low", "middle", "high")
FEATURES = ("prompt_words", "shorter_words", "longer_words", "difference_words", "overlap")


def mean_uncertainty(scores: pl.DataFrame, by: list[str]) -> tuple[pl.Series, list[str]]:
    """Return the mean rank of uncertainty columns from 0 (certain) to 1; null without any.

    Args:
        scores: score columns of the run.
        by: columns to use; empty: all whose metric is in `UNCERTAINTY`.

    Returns:
        The mean rank, (pairs,), and the columns that were used.

    Raises:
        CurateError: a column of `by` is not there.
    """
    for name in by:
        if name not in scores.columns:
            fix = suggestion(name, [c for c in scores.columns if "." in c])
            raise CurateError("no such score", where="--by", found=repr(name), fix=fix)
    used = by or [c for c in scores.columns if c.rpartition(".")[2] in UNCERTAINTY]
    ranks = []
    for name in used:
        # By the metric: a small margin is doubt, and so is a large variance.
        turn = UNCERTAINTY.get(name.rpartition(".")[2], _identity)
        ranks.append(unit_rank(turn(pl.col(name).cast(pl.Float64))).alias(name))
    if not ranks:
        return pl.repeat(None, len(scores), dtype=pl.Float64, eager=True), []
    return scores.select(m=pl.mean_horizontal(scores.select(ranks)))["m"], used


def _identity(value: pl.Expr) -> pl.Expr:
    return value


def unit_rank(value: pl.Expr) -> pl.Expr:
    """Return the rank from 0 (smallest) to 1 (largest); ties share their mean rank."""
    # Ranks make metrics of different units comparable.
    return (value.rank("average") - 1) / (value.count() - 1).clip(1)


def vote_disagreement(pairs: pl.DataFrame) -> pl.Series:
    """Return the minority's share of the votes on the same two answers, 0 to 0.5.

    A tie counts half for each side. Null for a single vote.
    """
    keys = content_keys(pairs).with_columns(pairs["is_tie"])
    low = (
        pl.when("is_tie").then(0.5).otherwise((pl.col("chosen") == pl.col("low")).cast(pl.Float64))
    )
    item = ["prompt", "low", "high"]
    share = low.mean().over(item)
    several = pl.len().over(item) > 1
    # Whichever side is in the minority.
    least = pl.min_horizontal(share, 1.0 - share)
    return keys.select(d=pl.when(several).then(least))["d"]


def text_features(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return `FEATURES` of each pair: words of the prompt, the shorter and the longer answer, their
    difference, and the Dice overlap of the answers' sets of words, from 0 to 1.
    """
    words = pairs.select(
        messages_text(part).str.to_lowercase().str.extract_all(r"\w+").alias(part)
        for part in ("prompt", "chosen", "rejected")
    )
    first, second = pl.col("chosen"), pl.col("rejected")
    lengths = (first.list.len().cast(pl.Int64), second.list.len().cast(pl.Int64))
    shared = first.list.set_intersection(second).list.len()
    sizes = first.list.n_unique() + second.list.n_unique()
    return words.select(
        prompt_words=pl.col("prompt").list.len().cast(pl.Int64),
        shorter_words=pl.min_horizontal(*lengths),
        longer_words=pl.max_horizontal(*lengths),
        difference_words=(lengths[0] - lengths[1]).abs(),
        overlap=pl.when(sizes > 0).then(2.0 * shared / sizes).otherwise(1.0),
    )


def tercile_bins(values: pl.DataFrame) -> pl.DataFrame:
    """Return each feature as "low", "middle" or "high", by its terciles over the dataset."""
    return values.select(
        pl.when(unit_rank(pl.col(name)) < 1 / 3)
        .then(pl.lit(BINS[0]))
        .when(unit_rank(pl.col(name)) < 2 / 3)
        .then(pl.lit(BINS[1]))
        .otherwise(pl.lit(BINS[2]))
        .alias(name)
        for name in values.columns
    )


def predicted_gain(bins: pl.DataFrame, coefficients: dict[str, float]) -> pl.Series:
    """Return the sum of the coefficients of each pair's levels, (pairs,).

    They come from a regression of a model's quality on how many pairs with the feature were given
    to people (Hybrid Preferences, section 3.2).

    Raises:
        CurateError: a coefficient names no feature or no bin.
    """
    total: pl.Expr = pl.lit(0.0)
    for key, value in coefficients.items():
        name, _, level = key.partition("=")
        # A tag's level may be one that these pairs do not have.
        if name not in bins.columns or (name in FEATURES and level not in BINS):
            valid = [f"{c}={b}" for c in bins.columns for b in bins[c].unique().sort()]
            valid += [f"{feature}={b}" for feature in FEATURES for b in BINS]
            fix = suggestion(key, valid)
            raise CurateError("unknown feature", where="--gains", found=repr(key), fix=fix)
        total = total + pl.when(pl.col(name) == level).then(value).otherwise(0.0)
    return bins.with_columns(_gain=total)["_gain"]
