"""How far an answer rests on the sources that it was given."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Parameters, Scorer
from curate.models.text.sentences import split_sentences, word_coverage
from curate.models.text.sources import NO_SOURCES, source_table
from curate.models.text.supported import NO_SENTENCES, answer_support, best_source


class GroundingParams(Parameters):
    """Parameters of `grounding`."""

    covered: float = Field(
        0.6,
        gt=0,
        le=1,
        description="Share of a sentence's words in one source from which it counts as supported.",
    )


class Grounding(Scorer[GroundingParams]):
    """Share of an answer's sentences that one source supports, by the words that they share.

    A sentence is supported where one source holds `covered` of its distinct words that mean
    something. It sees words and not what they say: a denial of what the source says counts as
    supported. Sources are the row's `documents`, else passages `[1]`, `[2]`... of the prompt.
    """

    name = "grounding"
    purpose = "retrieval"
    when = "Where prompts bring sources, and answers should rest on them."
    summary = "share of an answer's sentences that a source supports, and the least supported one"
    reference = "faithfulness of RAG-RewardBench, arXiv 2412.13746, by lexical overlap (ours)"
    scope = "row"
    stored, stored_whole = True, True
    Params = GroundingParams

    def columns(self) -> tuple[Column, ...]:
        """Shares of both answers, the margin, and the preferred answer's weakest sentence."""
        return (
            Column(
                "margin",
                "share of chosen minus that of rejected",
                "float",
                HIGHER,
                "-1 to 1",
                evidence="auto",
            ),
            Column("chosen", "supported share of the preferred answer's sentences", unit="0 to 1"),
            Column("rejected", "the same of the other answer", unit="0 to 1"),
            Column("weakest", "the preferred answer's least supported sentence", "text"),
            Column("source", "number of the source that supports it best", "int"),
            Column("status", f"ok, {NO_SOURCES}, or {NO_SENTENCES} in an answer", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Shares of all pairs."""
        known = source_table(pairs)

        def best(side: str) -> pl.DataFrame:
            return best_source(word_coverage(split_sentences(pairs, side), known), "covered")

        share = (pl.col("covered") >= self.params.covered).mean()
        return answer_support(len(pairs), known, best, "covered", share)
