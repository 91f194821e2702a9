"""How much of an answer its sources support."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import HIGHER, Cache, Column, Context, Parameters, Scope, Scorer
from curate.scoring.texts import (
    NO_SENTENCES,
    NO_SOURCES,
    answer_support,
    best_source,
    source_table,
    split_sentences,
    word_coverage,
)


class GroundingParams(Parameters):
    """Parameters of `grounding`."""

    covered: float = Field(
        0.6,
        gt=0,
        le=1,
        description="Share of a sentence's words in one source at which it counts as supported.",
    )


class Grounding(Scorer[GroundingParams]):
    r"""Compute the share of an answer's sentences that a source supports, by the words they share.

    A sentence is supported where one source contains at least `covered` of its distinct content
    words. `chosen` and `rejected` are shares, 0 to 1; `margin` is their difference; `weakest` is
    the chosen answer's least supported sentence. Sources are the row's `documents`, else passages
    `[1]`, `[2]`... of the prompt. It compares words, not meaning: a denial of the source counts as
    supported. The question is that of RAG-RewardBench (arXiv 2412.13746); lexical overlap is ours.

    Examples:
        >>> from curate import score
        >>> prompt = "Where is the Louvre?\n[1] The Louvre museum stands in Paris."
        >>> right, wrong = "The Louvre stands in Paris.", "Berlin has another castle."
        >>> row = {"prompt": prompt, "chosen": right, "rejected": wrong}
        >>> score([row], "grounding").frame["grounding.margin"].to_list()
        [1.0]
    """

    name = "grounding"
    purpose = "retrieval"
    when = "Where prompts include sources that answers should be based on."
    summary = "share of an answer's sentences that a source supports, and the least supported one"
    reference = "faithfulness of RAG-RewardBench, arXiv 2412.13746, by lexical overlap (ours)"
    scope = Scope.ROW
    cache = Cache.WHOLE
    Params = GroundingParams

    def columns(self) -> tuple[Column, ...]:
        """Return shares of both answers, the margin, and the chosen answer's weakest sentence."""
        return (
            Column(
                "margin",
                "share of chosen minus that of rejected",
                "float",
                HIGHER,
                "-1 to 1",
                evidence="auto",
            ),
            Column("chosen", "supported share of the chosen answer's sentences", unit="0 to 1"),
            Column("rejected", "the same of the rejected answer", unit="0 to 1"),
            Column("weakest", "the chosen answer's least supported sentence", "text"),
            Column("source", "number of the source that supports it best", "int"),
            Column("status", f"ok, {NO_SOURCES}, or {NO_SENTENCES} in an answer", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return shares of all pairs."""
        source_texts = source_table(pairs)

        def best(side: str) -> pl.DataFrame:
            return best_source(word_coverage(split_sentences(pairs, side), source_texts), "covered")

        share = (pl.col("covered") >= self.params.covered).mean()
        return answer_support(len(pairs), source_texts, best, "covered", share)
