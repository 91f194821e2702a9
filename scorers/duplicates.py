"""Which pairs repeat, contradict or nearly repeat others."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import Column, Context, Parameters, Scorer
from curate.data.duplicates import duplicate_flags
from curate.models.text.near_duplicates import near_duplicate_of


class DuplicatesParams(Parameters):
    """Parameters of `duplicates`."""

    near: bool = Field(True, description="Look for near duplicates too.")
    threshold: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Jaccard similarity of three-word shingles from which on a "
        "pair nearly repeats an earlier one.",
    )


class Duplicates(Scorer[DuplicatesParams]):
    """Flags of exact, contradictory and near duplicates; nothing is dropped."""

    name = "duplicates"
    purpose = "duplicates, diversity, coverage"
    when = "Always: it is cheap, and contradicting labels are the surest noise there is."
    summary = "flags of exact and near duplicates and of contradictory labels"
    reference = "near: Broder 1997, On the resemblance and containment of documents (MinHash)"
    in_parts = True
    stored = True
    from_labels = True
    Params = DuplicatesParams

    def columns(self) -> tuple[Column, ...]:
        """Flags, and the number of pairs with the same texts."""
        return (
            Column("exact", "an earlier pair has the same texts, label and annotator", "bool"),
            Column(
                "copies", "pairs with this prompt and these two answers, this one included", "int"
            ),
            Column(
                "contradicted", "another pair has the same texts and the opposite label", "bool"
            ),
            Column("near", "the texts nearly repeat an earlier pair's", "bool"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """The flags of all pairs."""
        near = pl.Series("near", [None] * len(pairs), dtype=pl.Boolean)
        if self.params.near:
            parts = ("prompt", "chosen", "rejected")
            of = near_duplicate_of(
                pairs,
                parts,
                self.params.threshold,
                context.progress,
                context.workspace,
                context.workers,
            )
            near = of.is_not_null().alias("near")
        return duplicate_flags(pairs, votes=context.vote_keys(pairs)).with_columns(near)
