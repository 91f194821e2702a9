"""Whether an answer's citations point at a source that supports what is said."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Parameters, Scorer
from curate.models.text.sentences import split_sentences, word_coverage
from curate.models.text.sources import NO_SOURCES, source_status, source_table

NO_CITATIONS = "no citations"
_SIDES = ("chosen", "rejected")


class CitationsParams(Parameters):
    """Parameters of `citations`."""

    covered: float = Field(
        0.6,
        gt=0,
        le=1,
        description="Share of a sentence's words in the cited source from which it is supported.",
    )


class Citations(Scorer[CitationsParams]):
    """Citations `[1]`, `[2]`... of an answer: how many sentences have one, and how many are right.

    A citation is right where there is a source of that number and it holds `covered` of the
    sentence's distinct words that mean something. One behind the full stop belongs to the sentence
    before it.
    """

    name = "citations"
    purpose = "retrieval"
    when = "Where answers cite numbered sources."
    summary = "share of sentences that cite, and of citations that resolve and support"
    reference = "citation precision and recall, ALCE, arXiv 2305.14627, by lexical overlap (ours)"
    scope = "row"
    stored, stored_whole = True, True
    Params = CitationsParams

    def columns(self) -> tuple[Column, ...]:
        """Shares of both answers, and the margin of right citations."""
        return (
            Column(
                "margin",
                "right share of chosen minus that of rejected",
                "float",
                HIGHER,
                "-1 to 1",
                evidence="auto",
            ),
            *(Column(s, f"share of {s}'s citations that are right", unit="0 to 1") for s in _SIDES),
            *(
                Column(f"{s}_cites", f"share of {s}'s sentences that cite", unit="0 to 1")
                for s in _SIDES
            ),
            *(Column(f"{s}_dangling", f"citations of {s} to no source", "int") for s in _SIDES),
            Column("status", f"ok, {NO_SOURCES}, or {NO_CITATIONS} in an answer", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Shares of all pairs."""
        known = source_table(pairs)
        rows = pl.DataFrame({"row": pl.int_range(len(pairs), dtype=pl.Int64, eager=True)})
        for side in _SIDES:
            found = self._of(split_sentences(pairs, side), known, side)
            rows = rows.join(found, on="row", how="left", maintain_order="left")
        return rows.select(
            (pl.col("chosen") - pl.col("rejected")).alias("margin"),
            *_SIDES,
            *(pl.col(f"{s}_cites").fill_null(0.0) for s in _SIDES),
            *(pl.col(f"{s}_dangling").fill_null(0) for s in _SIDES),
            source_status(known, rows, NO_CITATIONS),
        )

    def _of(self, said: pl.DataFrame, known: pl.DataFrame, side: str) -> pl.DataFrame:
        cites = said.group_by("row").agg(
            (pl.col("cited").list.len() > 0).mean().alias(f"{side}_cites")
        )
        # One row a citation: a sentence may cite several sources.
        each = said.explode("cited").drop_nulls("cited")
        held = word_coverage(said, known).select("number", cited="source", covered="covered")
        judged = each.join(held, on=["number", "cited"], how="left", maintain_order="left")
        # A citation of a source that is not there covers nothing.
        right = pl.col("covered").fill_null(0.0) >= self.params.covered
        found = judged.group_by("row").agg(
            right.mean().alias(side),
            pl.col("covered").is_null().sum().cast(pl.Int64).alias(f"{side}_dangling"),
        )
        return cites.join(found, on="row", how="left")
