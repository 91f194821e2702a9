"""Drops exact repeats, and, if wished, pairs that contradict each other."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from curate import Context, Filter, FilterResult, Parameters
from curate.data.duplicates import duplicate_flags, first_duplicate


class ExactDuplicatesParams(Parameters):
    """Parameters of `exact_duplicates`."""

    ignore_annotator: bool = Field(
        False, description="Take equal votes of several annotators as repeats too."
    )
    contradictions: Literal["keep", "drop"] = Field(
        "keep", description="Pairs with the same texts and opposite labels: keep, or drop them all."
    )


class ExactDuplicates(Filter[ExactDuplicatesParams]):
    """Keeps the first of pairs with the same prompt, answers, label and annotator."""

    name = "exact_duplicates"
    purpose = "duplicates and leaks"
    when = "Always."
    summary = "keep the first of pairs with the same prompt, answers, label (and annotator)"
    Params = ExactDuplicatesParams

    def reads(self) -> tuple[str, ...]:
        """Texts, annotator and tie mark."""
        return ("pair_id", "prompt", "chosen", "rejected", "annotator", "is_tie")

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep first occurrences."""
        ignore = self.params.ignore_annotator
        flags = duplicate_flags(pairs, ignore_annotator=ignore).with_columns(
            of=first_duplicate(pairs, ignore_annotator=ignore)
        )
        contradicted = pl.col("contradicted") & (self.params.contradictions == "drop")
        judged = flags.select(
            keep=~pl.col("exact") & ~contradicted,
            reason=pl.when(contradicted)
            .then(pl.lit("another pair has the same texts and the opposite label"))
            .otherwise(pl.format("repeats pair {}", "of")),
        )
        return FilterResult(judged["keep"], judged["reason"])
