"""How far an answer rests on the sources that it was given."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Parameters, Scorer
from curate.models.text.sentences import coverage, sentences
from curate.models.text.sources import NO_SOURCES, source_status, sources

NO_SENTENCES = "no sentences"


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
            Column("margin", "share of chosen minus that of rejected", "float", HIGHER, "-1 to 1"),
            Column("chosen", "supported share of the preferred answer's sentences", unit="0 to 1"),
            Column("rejected", "the same of the other answer", unit="0 to 1"),
            Column("weakest", "the preferred answer's least supported sentence", "text"),
            Column("source", "number of the source that supports it best", "int"),
            Column("status", f"ok, {NO_SOURCES}, or {NO_SENTENCES} in an answer", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Shares of all pairs."""
        known = sources(pairs)
        rows = pl.DataFrame({"row": pl.int_range(len(pairs), dtype=pl.Int64, eager=True)})
        for side in ("chosen", "rejected"):
            best = _best(coverage(sentences(pairs, side), known))
            share = (pl.col("covered") >= self.params.covered).mean()
            found = best.group_by("row").agg(share.alias(side))
            if side == "chosen":
                weakest = best.sort("covered", "number").group_by("row", maintain_order=True)
                worst = weakest.agg(pl.col("sentence").first().alias("weakest"), pl.first("source"))
                found = found.join(worst, on="row")
            rows = rows.join(found, on="row", how="left", maintain_order="left")
        return rows.select(
            margin=pl.col("chosen") - pl.col("rejected"),
            chosen="chosen",
            rejected="rejected",
            weakest="weakest",
            source="source",
            status=source_status(known, rows, NO_SENTENCES),
        )


def _best(covered: pl.DataFrame) -> pl.DataFrame:
    """Each sentence with the source that covers it best."""
    order = covered.sort("number", "covered", "source", descending=[False, True, False])
    return order.unique("number", keep="first", maintain_order=True)
