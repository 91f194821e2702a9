"""Conditions over columns, written as SQL."""

from __future__ import annotations

import polars as pl

from curate.errors import CurateError


def parse_condition(text: str) -> pl.Expr:
    """The condition as an expression; raises ValueError where it is no SQL."""
    try:
        return pl.sql_expr(text)
    except pl.exceptions.PolarsError as error:
        message = str(error).splitlines()[0]
        hint = "; a column with a dot stands in backticks: `reward_margin.margin` > 0"
        raise ValueError(f"an SQL expression ({message}){hint}") from None


def columns_of(text: str) -> tuple[str, ...]:
    """The columns that a condition names."""
    return tuple(dict.fromkeys(parse_condition(text).meta.root_names()))


def where_true(text: str, pairs: pl.DataFrame, step: str) -> pl.Series:
    """The condition of each pair: true, false, or null where a value is missing.

    Raises:
        CurateError: it cannot be computed, or is neither true nor false.
    """
    try:
        found = pairs.with_columns(_condition=parse_condition(text))["_condition"]
    except pl.exceptions.PolarsError as error:
        raise _wrong(text, str(error).splitlines()[0], step) from None
    if found.dtype not in (pl.Boolean, pl.Null):
        raise _wrong(text, f"it gives {found.dtype}", step)
    return found.cast(pl.Boolean)


def _wrong(text: str, found: str, step: str) -> CurateError:
    return CurateError(
        "the expression is no condition",
        where=f"filter '{step}'",
        found=f"{text}: {found}",
        expected="a comparison that is true or false for each pair",
    )
