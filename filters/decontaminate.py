"""Drops pairs whose prompt occurs in an evaluation set."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import Context, Filter, FilterResult, Parameters, Standing


class DecontaminateParams(Parameters):
    """Parameters of `decontaminate`."""

    scorer: str = Field("contamination", description="Name of the scorer that found the matches.")


class Decontaminate(Filter[DecontaminateParams]):
    """Drop pairs that the scorer `contamination` matched; the reason names the evaluation prompt.

    Use it after that scorer, before training on anything that is evaluated later.

    Examples:
        >>> pairs = pl.DataFrame({"c.matched": [True, False], "c.match": ["eval.txt, row 1", None]})
        >>> Decontaminate(scorer="c").apply(pairs, Context()).keep.to_list()
        [False, True]
    """

    name = "decontaminate"
    purpose = "duplicates and leaks"
    standing = Standing.RECOMMENDED
    when = "After the scorer contamination."
    summary = "drop pairs whose prompt occurs in an evaluation set (by the scorer contamination)"
    single_answers = True
    Params = DecontaminateParams
    drop_codes = ("contamination",)

    def reads(self) -> tuple[str, ...]:
        """Read the scorer's verdict and the match."""
        return (f"{self.params.scorer}.matched", f"{self.params.scorer}.match")

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep pairs without a match."""
        matched, match = self.reads()
        decisions = pairs.select(
            keep=~pl.col(matched).fill_null(False), reason=pl.format("occurs in {}", match)
        )
        return FilterResult(decisions["keep"], decisions["reason"])
