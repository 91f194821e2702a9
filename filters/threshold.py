"""Keeps pairs whose score lies within bounds."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
from pydantic import Field, model_validator

from curate import Context, Filter, FilterResult, MissingParams, as_numeric_column, with_reasons


class ThresholdParams(MissingParams):
    """Parameters of `threshold`: at least one bound."""

    column: str = Field(description="Column of numbers.")
    min: float | None = Field(None, description="Smallest value that is kept.")
    max: float | None = Field(None, description="Largest value that is kept.")

    @model_validator(mode="after")
    def _bounds(self) -> ThresholdParams:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is larger than max")
        return self


class Threshold(Filter[ThresholdParams]):
    """Keep pairs with min <= value <= max.

    Use it to keep a range of one score.

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": f"Q{i}", "chosen": "a", "rejected": "b", "m": i} for i in (1, 3)]
        >>> step = {"type": "threshold", "column": "extra.m", "min": 2}
        >>> Pipeline({"filters": [step]}).run(rows).dropped["drop_reason"].to_list()
        ['extra.m 1.0 below min 2.0']
    """

    name = "threshold"
    purpose = "keep the best"
    when = "To keep a range of one score."
    summary = "keep pairs whose score lies within min and max"
    single_answers = True
    Params = ThresholdParams
    drop_codes = ("threshold_min", "threshold_max", "threshold_missing")

    def reads(self) -> tuple[str, ...]:
        """Read the column."""
        return (self.params.column,)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep pairs within the bounds."""
        p = self.params
        values = as_numeric_column(pairs[p.column], self.name).alias("v")
        low = pl.col("v") < p.min if p.min is not None else pl.lit(False)
        high = pl.col("v") > p.max if p.max is not None else pl.lit(False)
        # A comparison with null is null: `missing` decides about such pairs.
        inside = (~(low | high)).fill_null(p.missing == "keep")
        reason = (
            pl.when(low)
            .then(pl.format(f"{_escape_braces(p.column)} {{}} below min {p.min}", "v"))
            .when(high)
            .then(pl.format(f"{_escape_braces(p.column)} {{}} above max {p.max}", "v"))
            .otherwise(pl.lit(f"{p.column} is missing"))
        )
        frame = values.to_frame()
        keep = frame.select(keep=inside)["keep"]
        verdict = with_reasons(keep, lambda rows: frame[rows].select(r=reason)["r"])
        code = (
            pl.when(low)
            .then(pl.lit("threshold_min"))
            .when(high)
            .then(pl.lit("threshold_max"))
            .otherwise(pl.lit("threshold_missing"))
        )
        return replace(verdict, code=frame.select(code=code)["code"])


def _escape_braces(column: str) -> str:
    """Return a column's name without braces, for a format string."""
    return column.replace("{", "(").replace("}", ")")
