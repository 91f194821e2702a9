"""Drops pairs whose text nearly repeats an earlier pair's."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from curate import Context, Filter, FilterResult, Parameters, Standing
from curate.scoring.texts import near_duplicate_of

# What `of` compares.
_TEXT_COLUMNS = {
    "pair": ("prompt", "chosen", "rejected"),
    "prompt": ("prompt",),
    "answers": ("chosen", "rejected"),
}


class NearDuplicatesParams(Parameters):
    """Parameters of `near_duplicates`."""

    of: Literal["pair", "prompt", "answers"] = Field("pair", description="Text to compare.")
    threshold: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Jaccard similarity of three-word shingles at which a text counts "
        "as a near duplicate of an earlier one.",
    )


class NearDuplicates(Filter[NearDuplicatesParams]):
    """Keep the first of the pairs with nearly the same text.

    Two texts are near duplicates if the Jaccard similarity of their three-word shingles reaches
    `threshold`; candidates come from MinHash-LSH (Broder 1997), the similarity is exact. Pairs with
    exactly the same text share one verdict: `exact_duplicates` handles them. Use it on scraped
    data.

    Examples:
        >>> from curate import Pipeline
        >>> text = " ".join(f"word{i}" for i in range(40))
        >>> rows = [{"prompt": text + end, "chosen": "a", "rejected": "b"} for end in ("", " more")]
        >>> step = {"type": "near_duplicates", "of": "prompt"}
        >>> len(Pipeline({"filters": [step]}).run(rows).kept)
        1
    """

    name = "near_duplicates"
    purpose = "duplicates and leaks"
    standing = Standing.RECOMMENDED
    when = "Always on scraped data."
    summary = "keep the first of pairs with nearly the same text (MinHash-LSH, exact Jaccard)"
    reference = "Broder 1997, On the resemblance and containment of documents"
    single_answers = True
    Params = NearDuplicatesParams
    drop_codes = ("near_duplicate",)

    def reads(self) -> tuple[str, ...]:
        """Read the texts."""
        return ("pair_id", "prompt", "chosen", "rejected")

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep pairs without a similar pair among those kept before."""
        first_similar = near_duplicate_of(
            pairs,
            _TEXT_COLUMNS[self.params.of],
            self.params.threshold,
            context.progress,
            context.scratch,
            context.workers,
        )
        # The reason names the earlier pair, so that a user can compare both.
        reasons = first_similar.to_frame("of").select(r=pl.format("nearly repeats pair {}", "of"))[
            "r"
        ]
        return FilterResult(first_similar.is_null(), reasons)
