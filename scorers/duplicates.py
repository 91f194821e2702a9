"""Flags of pairs that repeat, nearly repeat or contradict others."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import Cache, Column, Context, Parameters, Scope, Scorer, Standing
from curate.scoring.texts import duplicate_flags, near_duplicate_of


class DuplicatesParams(Parameters):
    """Parameters of `duplicates`."""

    near: bool = Field(True, description="Also look for near duplicates.")
    threshold: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Jaccard similarity of three-word shingles at which a "
        "pair counts as a near duplicate of an earlier one.",
    )


class Duplicates(Scorer[DuplicatesParams]):
    """Flag exact, contradictory and near duplicates; drop nothing.

    `exact`: an earlier pair has the same texts, label and annotator. `copies` counts the pairs with
    this prompt and these two answers. `contradicted`: another pair has the opposite label. `near`:
    the word shingles of the text reach a Jaccard similarity of `threshold` with an earlier pair
    (MinHash, Broder 1997). Use it always: it is cheap, and contradicting labels are the clearest
    noise there is.

    Examples:
        >>> from curate import score
        >>> row = {"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}
        >>> rows = [row, row, {"prompt": "2 + 2?", "chosen": "5", "rejected": "4"}]
        >>> scores = score(rows, "duplicates").frame
        >>> scores["duplicates.exact"].to_list(), scores["duplicates.contradicted"].to_list()
        ([False, True, False], [True, True, True])
    """

    name = "duplicates"
    purpose = "duplicates, diversity, coverage"
    standing = Standing.RECOMMENDED
    when = "Always: it is cheap, and contradicting labels are the clearest noise there is."
    summary = "flags of exact and near duplicates and of contradictory labels"
    reference = "near: Broder 1997, On the resemblance and containment of documents (MinHash)"
    scope = Scope.PARTITIONED
    cache = Cache.WHOLE
    from_labels = True
    single_answer_columns = ("exact", "copies", "near")
    Params = DuplicatesParams

    def columns(self) -> tuple[Column, ...]:
        """Return flags, and the number of pairs with the same texts."""
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
        """Return the flags of all pairs."""
        near = pl.Series("near", [None] * len(pairs), dtype=pl.Boolean)
        if self.params.near:
            text_columns = ("prompt", "chosen", "rejected")
            first_similar = near_duplicate_of(
                pairs,
                text_columns,
                self.params.threshold,
                context.progress,
                context.scratch,
                context.workers,
            )
            near = first_similar.is_not_null().alias("near")
        return duplicate_flags(pairs, votes=context.vote_keys(pairs)).with_columns(near)
