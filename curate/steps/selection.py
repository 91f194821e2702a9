"""Ranks with missing values, shared by filters that keep the best."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from curate.errors import CurateError
from curate.steps.contracts import Parameters

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
            "the column holds no numbers",
            where=f"filter '{step}'",
            found=f"{column.name} of {column.dtype}",
            expected="a column of numbers",
        )
    return column.cast(pl.Float64).fill_nan(None)


def best_first(values: pl.Series, prefer: Prefer) -> pl.Series:
    """Rank of each value, 1 for the best; equal values keep the pairs' order; null if missing."""
    return values.rank("ordinal", descending=prefer == "max")
