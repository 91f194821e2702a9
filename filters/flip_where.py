"""Flips labels by a condition."""

from __future__ import annotations

import polars as pl
from pydantic import Field, field_validator

from curate import Column, Context, Filter, FilterResult, Parameters
from curate.steps.conditions import columns_of, parse_condition, where_true
from curate.steps.relabel import FLIPPED, RELABELLED, flip_only


class FlipWhereParams(Parameters):
    """Parameters of `flip_where`."""

    condition: str = Field(description="Which pairs to flip, as a condition of polars SQL.")

    @field_validator("condition")
    @classmethod
    def _parse(cls, text: str) -> str:
        parse_condition(text)
        return text


class FlipWhere(Filter[FlipWhereParams]):
    """Exchanges chosen and rejected where a condition is true; drops nothing.

    Where a value is missing the label stays. `extra` gains `"flipped": true`.
    """

    name = "flip_where"
    purpose = "relabel or weight"
    when = "For a rule of your own that surely names wrong labels."
    summary = "flip labels by an SQL condition; keep every pair"
    reference = "PrefCleanBench, arXiv 2509.23564 (the -F methods)"
    Params = FlipWhereParams

    def reads(self) -> tuple[str, ...]:
        """What the condition names, and what is changed."""
        return (*columns_of(self.params.condition), *RELABELLED)

    def adds(self) -> tuple[Column, ...]:
        """The mark."""
        return (FLIPPED,)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep all, some with the opposite label."""
        flips = where_true(self.params.condition, pairs, self.name).fill_null(False)
        context.facts["flipped"] = int(flips.sum())
        return flip_only(pairs, flips)
