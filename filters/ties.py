"""Drops ties: pairwise trainers cannot learn from them."""

from __future__ import annotations

import polars as pl

from curate import Context, Filter, FilterResult, Parameters, Standing, same_reason


class Ties(Filter[Parameters]):
    """Drop pairs that the data marks as a tie.

    Use it before trainers that cannot use ties: all exports except the pair table.

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": "Hi?", "answer_a": "Hi.", "answer_b": "Hello.", "winner": "tie"}]
        >>> result = Pipeline({"filters": [{"type": "ties"}]}).run(rows)
        >>> result.dropped["drop_reason"].to_list()
        ['the data marks a tie']
    """

    name = "ties"
    purpose = "duplicates and leaks"
    standing = Standing.RECOMMENDED
    when = "Before trainers that cannot use ties: all exports except the pair table."
    summary = "drop pairs that the data marks as ties"
    Params = Parameters
    drop_codes = ("tie",)

    def reads(self) -> tuple[str, ...]:
        """Read the tie status."""
        return ("is_tie",)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep pairs that are not ties."""
        return same_reason(~pairs["is_tie"], "the data marks a tie")
