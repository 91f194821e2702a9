"""Drops pairs whose two answers are the same."""

from __future__ import annotations

import polars as pl

from curate import Context, Filter, FilterResult, Parameters, Standing, same_reason
from curate.scoring.texts import same_answers


class IdenticalAnswers(Filter[Parameters]):
    """Drop pairs whose chosen and rejected answers are equal, role by role and text by text.

    Use it always: such pairs teach nothing.

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": "2 + 2?", "chosen": "4", "rejected": "4"}]
        >>> result = Pipeline({"filters": [{"type": "identical_answers"}]}).run(rows)
        >>> result.dropped["drop_reason"].to_list()
        ['the chosen answer is the rejected answer']
    """

    name = "identical_answers"
    purpose = "duplicates and leaks"
    standing = Standing.RECOMMENDED
    when = "Always: such pairs teach nothing."
    summary = "drop pairs whose two answers are the same"
    Params = Parameters

    def reads(self) -> tuple[str, ...]:
        """Read both answers."""
        return ("chosen", "rejected")

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep pairs whose answers differ."""
        differ = ~same_answers(pairs)
        return same_reason(differ, "the chosen answer is the rejected answer")
