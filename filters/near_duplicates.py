"""Drops pairs whose text nearly repeats an earlier pair's."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from curate import Context, Filter, FilterResult, Parameters
from curate.models.text.near_duplicates import near_duplicate_of

_PARTS = {
    "pair": ("prompt", "chosen", "rejected"),
    "prompt": ("prompt",),
    "answers": ("chosen", "rejected"),
}


class NearDuplicatesParams(Parameters):
    """Parameters of `near_duplicates`."""

    of: Literal["pair", "prompt", "answers"] = Field("pair", description="Text that is compared.")
    threshold: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Jaccard similarity of three-word shingles from which on a "
        "text nearly repeats an earlier one.",
    )


class NearDuplicates(Filter[NearDuplicatesParams]):
    """Keeps the first of pairs with nearly the same text.

    Pairs with exactly the same text share one fate: repeats are for `exact_duplicates`.
    """

    name = "near_duplicates"
    purpose = "duplicates and leaks"
    when = "Always on scraped data."
    summary = "keep the first of pairs with nearly the same text (MinHash-LSH, exact Jaccard)"
    reference = "Broder 1997, On the resemblance and containment of documents"
    Params = NearDuplicatesParams

    def reads(self) -> tuple[str, ...]:
        """The texts."""
        return ("pair_id", "prompt", "chosen", "rejected")

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep pairs that are near no earlier kept one."""
        of = near_duplicate_of(
            pairs,
            _PARTS[self.params.of],
            self.params.threshold,
            context.progress,
            context.workspace,
            context.workers,
        )
        # Named, so that a user can look at both.
        reasons = of.to_frame("of").select(r=pl.format("nearly repeats pair {}", "of"))["r"]
        return FilterResult(of.is_null(), reasons)
