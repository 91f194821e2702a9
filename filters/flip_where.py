"""Flips labels by a condition."""

from __future__ import annotations

import polars as pl
from pydantic import Field, field_validator

from curate import Column, Context, Filter, FilterResult, Parameters
from curate.scoring.filtering import (
    FLIPPED,
    RELABELLED,
    condition_columns,
    evaluate_condition,
    flip_only,
    parse_condition,
)


class FlipWhereParams(Parameters):
    """Parameters of `flip_where`."""

    condition: str = Field(description="Which pairs to flip, as a condition of polars SQL.")

    @field_validator("condition")
    @classmethod
    def _parse(cls, text: str) -> str:
        parse_condition(text)
        return text


class FlipWhere(Filter[FlipWhereParams]):
    """Swap chosen and rejected where a condition is true; drop nothing.

    Where a value is missing the label stays. `flipped` marks the pair, also in `extra`. Use it for
    a rule of your own that identifies wrong labels (the -F methods of PrefCleanBench, arXiv
    2509.23564).

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": f"Q{s}", "chosen": "a", "rejected": "b", "who": s} for s in "xy"]
        >>> step = {"type": "flip_where", "condition": "`extra.who` = 'x'"}
        >>> Pipeline({"filters": [step]}).run(rows).steps[-1].facts["flipped"]
        1
    """

    name = "flip_where"
    purpose = "relabel or weight"
    when = "For a rule of your own that reliably identifies wrong labels."
    summary = "flip labels by an SQL condition; keep every pair"
    reference = "PrefCleanBench, arXiv 2509.23564 (the -F methods)"
    Params = FlipWhereParams

    def reads(self) -> tuple[str, ...]:
        """Read the columns of the condition and those that a flip changes."""
        return (*condition_columns(self.params.condition), *RELABELLED)

    def adds(self) -> tuple[Column, ...]:
        """Add the flag of flipped pairs."""
        return (FLIPPED,)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep all pairs, and flip the labels where the condition is true."""
        # A null condition keeps the label: an unknown value is no evidence against it.
        flips = evaluate_condition(self.params.condition, pairs, self.name).fill_null(False)
        context.facts["flipped"] = int(flips.sum())
        return flip_only(pairs, flips)
