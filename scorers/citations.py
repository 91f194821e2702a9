"""Whether an answer's citations refer to a source that supports its sentences."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import HIGHER, Cache, Column, Context, Parameters, Scope, Scorer
from curate.scoring.texts import (
    NO_SOURCES,
    source_status,
    source_table,
    split_sentences,
    word_coverage,
)

NO_CITATIONS = "no citations"
_SIDES = ("chosen", "rejected")


class CitationsParams(Parameters):
    """Parameters of `citations`."""

    covered: float = Field(
        0.6,
        gt=0,
        le=1,
        description="Share of a sentence's words that the cited source must contain.",
    )


class Citations(Scorer[CitationsParams]):
    r"""Check the citations `[1]`, `[2]`... of both answers against their sources.

    `chosen` and `rejected` are the shares of citations that are right, 0 to 1: a source of that
    number exists and contains at least `covered` of the sentence's distinct content words.
    `<answer>_cites` is the share of sentences that cite, `<answer>_dangling` counts citations of no
    source, `margin` is chosen minus rejected, -1 to 1. A citation after the full stop belongs to
    the sentence before it. These are ALCE's precision and recall (arXiv 2305.14627) by lexical
    overlap instead of an entailment model. Use it where answers cite numbered sources.

    Examples:
        >>> from curate import score
        >>> prompt = "Where is the Louvre?\n[1] The Louvre museum stands in Paris."
        >>> right, wrong = "The Louvre stands in Paris [1].", "The Louvre stands in Rome [2]."
        >>> row = {"prompt": prompt, "chosen": right, "rejected": wrong}
        >>> scores = score([row], "citations").frame
        >>> scores.select("citations.chosen", "citations.rejected_dangling").row(0)
        (1.0, 1)
    """

    name = "citations"
    purpose = "retrieval"
    when = "Where answers cite numbered sources."
    summary = "share of sentences with a citation, and of citations that are right"
    reference = "citation precision and recall, ALCE, arXiv 2305.14627, by lexical overlap (ours)"
    scope = Scope.ROW
    cache = Cache.WHOLE
    single_answer_columns = ("chosen", "chosen_cites", "chosen_dangling", "status")
    Params = CitationsParams

    def columns(self) -> tuple[Column, ...]:
        """Return shares of both answers, and the margin of right citations."""
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
        """Return shares of all pairs."""
        source_texts = source_table(pairs)
        rows = pl.DataFrame({"row": pl.int_range(len(pairs), dtype=pl.Int64, eager=True)})
        for side in _SIDES:
            shares = self._citation_shares(split_sentences(pairs, side), source_texts, side)
            rows = rows.join(shares, on="row", how="left", maintain_order="left")
        return rows.select(
            (pl.col("chosen") - pl.col("rejected")).alias("margin"),
            *_SIDES,
            # Null after the join means no citation at all.
            *(pl.col(f"{s}_cites").fill_null(0.0) for s in _SIDES),
            *(pl.col(f"{s}_dangling").fill_null(0) for s in _SIDES),
            source_status(source_texts, rows, NO_CITATIONS),
        )

    def _citation_shares(
        self, answer_sentences: pl.DataFrame, source_texts: pl.DataFrame, side: str
    ) -> pl.DataFrame:
        citing_share = answer_sentences.group_by("row").agg(
            (pl.col("cited").list.len() > 0).mean().alias(f"{side}_cites")
        )
        # One row per citation: a sentence may cite several sources.
        citations = answer_sentences.explode("cited").drop_nulls("cited")
        source_coverage = word_coverage(answer_sentences, source_texts).select(
            "number", cited="source", covered="covered"
        )
        checked = citations.join(
            source_coverage, on=["number", "cited"], how="left", maintain_order="left"
        )
        # A citation of a missing source covers nothing.
        is_supported = pl.col("covered").fill_null(0.0) >= self.params.covered
        precision = checked.group_by("row").agg(
            is_supported.mean().alias(side),
            pl.col("covered").is_null().sum().cast(pl.Int64).alias(f"{side}_dangling"),
        )
        return citing_share.join(precision, on="row", how="left")
