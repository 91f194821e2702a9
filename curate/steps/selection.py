"""Ranking with missing values, shared by filters that keep the best pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import polars as pl
from pydantic import Field

from curate.data.row_selection import scatter_to_length
from curate.errors import CurateError
from curate.steps.contracts import FilterResult, Parameters

Prefer = Literal["max", "min"]
Missing = Literal["drop", "keep"]


class MissingParams(Parameters):
    """Base class of the parameters of filters that read scores which can be missing.

    Examples:
        >>> MissingParams().missing
        'drop'
    """

    missing: Missing = Field(
        "drop", description="What to do with a pair whose score is missing: drop or keep it."
    )


def as_numeric_column(column: pl.Series, step: str) -> pl.Series:
    """Return the column as Float64, with NaN as null.

    Args:
        column: (pairs,) numbers or bools.
        step: name of the filter, for the error message.

    Raises:
        CurateError: the column holds neither numbers nor bools.

    Examples:
        >>> as_numeric_column(pl.Series("score", [1, 2]), "quantile").to_list()
        [1.0, 2.0]
    """
    if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
        raise CurateError(
            "the column is not numeric",
            where=f"filter '{step}'",
            found=f"{column.name} of {column.dtype}",
            expected="a column of numbers",
        )
    values = column.cast(pl.Float64)
    # Not a copy where there is nothing to change: a column may lie in a mapped file.
    return values.fill_nan(None) if values.is_nan().any() else values


def best_first(values: pl.Series, prefer: Prefer) -> pl.Series:
    """Return the rank of each value, (pairs,): 1 is the best, null a missing value.

    Equal values keep the order of the pairs.

    Examples:
        >>> best_first(pl.Series([0.2, None, 0.9]), "max").to_list()
        [2, None, 1]
    """
    # Ordinal: equal scores get different ranks, so that a share keeps exactly as many as it says.
    return values.rank("ordinal", descending=prefer == "max")


def keep_best(
    values: pl.Series,
    keep: float,
    prefer: Prefer,
    missing: Missing,
    by: str,
    lacking: str,
    codes: tuple[str, ...],
) -> FilterResult:
    """Keep round(keep * n) of the n values that are not null; ties in the order of the pairs.

    Args:
        values: (pairs,).
        keep: share of the values to keep.
        prefer: whether large or small values are kept.
        missing: what to do with a pair without a value.
        by: what reasons say the rank is by.
        lacking: the reason of a pair without a value.
        codes: drop codes of a pair whose rank is too low, and of a pair without a value.
    """
    ranks = best_first(values, prefer).alias("rank")
    scored = len(ranks) - ranks.null_count()
    keep_count = round(keep * scored)
    ranked = pl.format(
        "rank {} of {} by {}, {} kept", "rank", *map(pl.lit, (scored, by, keep_count))
    )
    reasons = pl.when(pl.col("rank").is_null()).then(pl.lit(lacking)).otherwise(ranked)
    best = (ranks <= keep_count).fill_null(missing == "keep")
    verdict = with_reasons(
        best, lambda rows: ranks.gather(rows).to_frame().select(reasons).to_series()
    )
    return replace(verdict, code=missing_codes(ranks.is_null(), codes))


def missing_codes(is_missing: pl.Series, codes: tuple[str, ...]) -> pl.Series:
    """Return the last of the codes for a pair whose score is missing, the first for any other."""
    code = pl.when("missing").then(pl.lit(codes[-1])).otherwise(pl.lit(codes[0]))
    return is_missing.to_frame("missing").select(code=code)["code"]


def with_reasons(keep: pl.Series, reasons: Callable[[pl.Series], pl.Series]) -> FilterResult:
    """Return a result whose reasons are computed for the dropped pairs only.

    A reason for each of millions of pairs would take more memory than all scores.

    Args:
        keep: (pairs,) bool.
        reasons: function that returns the reason of each pair, given the pairs' row numbers.

    Examples:
        >>> result = with_reasons(pl.Series([True, False]), lambda rows: "row " + rows.cast(str))
        >>> result.reason.to_list()
        [None, 'row 1']
    """
    dropped = (~keep).arg_true()
    return FilterResult(keep, scatter_to_length(reasons(dropped), dropped, len(keep)))
