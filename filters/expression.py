"""Keeps or drops pairs by an SQL expression over columns."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
from pydantic import Field, model_validator

from curate import Context, Filter, FilterResult, Parameters, same_reason
from curate.scoring.filtering import (
    condition_columns,
    evaluate_condition,
    missing_codes,
    parse_condition,
)


class ExpressionParams(Parameters):
    """Parameters of `expression`: exactly one of `keep` and `drop`."""

    keep: str | None = Field(None, description="Condition of the pairs to keep, as polars SQL.")
    drop: str | None = Field(None, description="Condition of the pairs to drop, as polars SQL.")

    @model_validator(mode="after")
    def _one(self) -> ExpressionParams:
        if (self.keep is None) == (self.drop is None):
            raise ValueError("give exactly one of keep and drop")
        parse_condition(self.condition)
        return self

    @property
    def condition(self) -> str:
        """Return the expression, of pairs to keep or to drop."""
        return str(self.keep if self.keep is not None else self.drop)


class Expression(Filter[ExpressionParams]):
    """Keep or drop pairs by a condition of polars SQL over columns.

    As in SQL a condition over a missing value is neither true nor false: `keep` drops such a pair
    and `drop` keeps it. Test for it with IS NULL. Use it for any rule over columns, such as
    "`reward_margin.margin` > -2 AND `lengths.chosen` < 8000".

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": f"Q{i}", "chosen": "a", "rejected": "b", "votes": i} for i in (1, 3)]
        >>> step = {"type": "expression", "keep": "CAST(`extra.votes` AS INT) >= 2"}
        >>> Pipeline({"filters": [step]}).run(rows).dropped["drop_reason"].to_list()
        ['not true: CAST(`extra.votes` AS INT) >= 2']
    """

    name = "expression"
    purpose = "keep the best"
    when = "For any rule over columns."
    summary = "keep or drop by an SQL expression over pair columns, scores and extra.<key>"
    single_answers = True
    Params = ExpressionParams
    drop_codes = ("expression_false", "expression_true", "expression_missing")

    def reads(self) -> tuple[str, ...]:
        """Read the columns that the expression names."""
        return condition_columns(self.params.condition)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep pairs by the condition."""
        text = self.params.condition
        is_true = evaluate_condition(text, pairs, self.name)
        if self.params.drop is not None:
            verdict = same_reason(~is_true.fill_null(False), f"true: {text}")
            code = pl.repeat("expression_true", len(pairs), dtype=pl.String, eager=True)
            return replace(verdict, code=code)
        # A condition on a null is neither true nor false: the reason says so.
        unknown = (
            is_true.is_null()
            .to_frame("n")
            .select(
                r=pl.when("n")
                .then(pl.lit(f"unknown for a missing value: {text}"))
                .otherwise(pl.lit(f"not true: {text}"))
            )
        )
        code = missing_codes(is_true.is_null(), self.drop_codes)
        return FilterResult(is_true.fill_null(False), unknown["r"], code=code)
