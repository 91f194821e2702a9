"""Ranks with missing values, shared by filters that keep the best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import polars as pl
from pydantic import Field

from curate.data.pair_rows import at_rows
from curate.errors import CurateError
from curate.steps.contracts import FilterResult, Parameters

Prefer = Literal["max", "min"]
Missing = Literal["drop", "keep"]


class MissingParams(Parameters):
    """Parameters of filters that read scores which can be missing."""

    missing: Missing = Field(
        "drop", description="What to do with a pair whose score is missing: drop or keep it."
    )


def check_readable(column: pl.Series, step: str) -> pl.Series:
    """The column as float; raises CurateError unless it holds numbers or bools."""
    if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
        raise CurateError(
            "the column is not numeric",
            where=f"filter '{step}'",
            found=f"{column.name} of {column.dtype}",
            expected="a column of numbers",
        )
    found = column.cast(pl.Float64)
    # Not a copy where there is nothing to change: a column may lie in a mapped file.
    return found.fill_nan(None) if found.is_nan().any() else found


def best_first(values: pl.Series, prefer: Prefer) -> pl.Series:
    """Rank of each value, 1 for the best; equal values keep the pairs' order; null if missing."""
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
    """Keeps round(keep n) of the n values that are there; equal values in the order of the pairs.

    Args:
        values: (pairs,).
        keep: share.
        prefer: whether large or small values are kept.
        missing: what to do with a pair without a value.
        by: what reasons say the rank is by.
        lacking: the reason of a pair without a value.
        codes: drop codes of a pair whose rank is too low, and of a pair without a value.
    """
    ranks = best_first(values, prefer).alias("rank")
    scored = len(ranks) - ranks.null_count()
    wanted = round(keep * scored)
    ranked = pl.format("rank {} of {} by {}, {} kept", "rank", *map(pl.lit, (scored, by, wanted)))
    told = pl.when(pl.col("rank").is_null()).then(pl.lit(lacking)).otherwise(ranked)
    best = (ranks <= wanted).fill_null(missing == "keep")
    verdict = with_reasons(
        best, lambda rows: ranks.gather(rows).to_frame().select(told).to_series()
    )
    return replace(verdict, code=missing_codes(ranks.is_null(), codes))


def missing_codes(is_missing: pl.Series, codes: tuple[str, ...]) -> pl.Series:
    """Return the last of the codes for a pair whose score is missing, the first for any other."""
    code = pl.when("missing").then(pl.lit(codes[-1])).otherwise(pl.lit(codes[0]))
    return is_missing.to_frame("missing").select(code=code)["code"]


def with_reasons(keep: pl.Series, reasons: Callable[[pl.Series], pl.Series]) -> FilterResult:
    """A verdict whose reasons are made for the dropped pairs alone.

    A reason for each of millions of pairs would take more memory than all scores.

    Args:
        keep: (pairs,) bool.
        reasons: of the pairs with these numbers, in their order.
    """
    dropped = (~keep).arg_true()
    return FilterResult(keep, at_rows(reasons(dropped), dropped, len(keep)))
