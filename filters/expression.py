"""Keeps or drops pairs by an SQL expression over columns."""

from __future__ import annotations

import polars as pl
from pydantic import Field, model_validator

from curate.context import Context
from curate.errors import CurateError
from curate.steps import Filter, Parameters, Verdict, same_reason


class ExpressionParams(Parameters):
    """Parameters of `expression`: exactly one of `keep` and `drop`."""

    keep: str | None = Field(None, description="Condition of the pairs to keep, as polars SQL.")
    drop: str | None = Field(None, description="Condition of the pairs to drop, as polars SQL.")

    @model_validator(mode="after")
    def _one(self) -> ExpressionParams:
        if (self.keep is None) == (self.drop is None):
            raise ValueError("give exactly one of keep and drop")
        _parse(self.condition)
        return self

    @property
    def condition(self) -> str:
        """The expression, whichever way it is meant."""
        return str(self.keep if self.keep is not None else self.drop)


class Expression(Filter[ExpressionParams]):
    """A condition such as "`reward_margin.margin` > -2 AND `lengths.chosen` < 8000".

    As in SQL a condition over a missing value is neither true nor false: `keep` drops such a pair
    and `drop` keeps it. Test for it with IS NULL.
    """

    name = "expression"
    summary = "keep or drop by an SQL expression over pair columns, scores and extra.<key>"
    Params = ExpressionParams

    def reads(self) -> tuple[str, ...]:
        """The columns that the expression names."""
        return tuple(dict.fromkeys(_parse(self.params.condition).meta.root_names()))

    def apply(self, pairs: pl.DataFrame, context: Context) -> Verdict:
        """Keep by the condition."""
        text = self.params.condition
        try:
            found = pairs.with_columns(_condition=_parse(text))["_condition"]
        except pl.exceptions.PolarsError as error:
            raise _wrong(text, str(error).splitlines()[0]) from None
        if found.dtype not in (pl.Boolean, pl.Null):
            raise _wrong(text, f"it gives {found.dtype}")
        found = found.cast(pl.Boolean)
        if self.params.drop is not None:
            return same_reason(~found.fill_null(False), f"true: {text}")
        unknown = (
            found.is_null()
            .to_frame("n")
            .select(
                r=pl.when("n")
                .then(pl.lit(f"unknown for a missing value: {text}"))
                .otherwise(pl.lit(f"not true: {text}"))
            )
        )
        return Verdict(found.fill_null(False), unknown["r"])


def _parse(text: str) -> pl.Expr:
    try:
        return pl.sql_expr(text)
    except pl.exceptions.PolarsError as error:
        message = str(error).splitlines()[0]
        hint = "; a column with a dot stands in backticks: `reward_margin.margin` > 0"
        raise ValueError(f"an SQL expression ({message}){hint}") from None


def _wrong(text: str, found: str) -> CurateError:
    return CurateError(
        "the expression is no condition",
        where="filter 'expression'",
        found=f"{text}: {found}",
        expected="a comparison that is true or false for each pair",
    )
