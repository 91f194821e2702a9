"""Merges several votes on the same two answers into one pair."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Filter, FilterResult, Parameters, as_numeric_column
from curate.scoring.filtering import (
    DEFAULT_COLUMN,
    HIGH,
    LOW,
    TIE,
    dawid_skene_consensus,
    vote_table,
)
from curate.scoring.texts import encode_json, with_extra_key

# Columns of the pair table that a merged pair gets anew.
_CHANGED_COLUMNS = ("is_tie", "strength", "annotator", "extra")


class ConsensusParams(Parameters):
    """Parameters of `consensus`."""

    by: Literal["majority", "dawid_skene", "label_em"] = Field(
        "majority",
        description="majority of the votes; dawid_skene, which weighs people by how often they "
        "agree with others; label_em, the mean of the posteriors of all votes.",
    )
    even: Literal["tie", "drop"] = Field(
        "tie", description="Where neither answer wins: keep one pair as a tie, or drop them all."
    )
    column: str = Field(DEFAULT_COLUMN, description="Posterior of each vote, for by: label_em.")


class Consensus(Filter[ConsensusParams]):
    """Merge the votes of two people or more on the same prompt and answers into one pair.

    The consensus is the majority, or that of `dawid_skene` (Dawid and Skene 1979), or the mean
    posterior (`label_em`). The first pair with the consensus label stays; the others are dropped
    with the reason "voted with <pair_id>". `strength` becomes the share of votes for the label
    minus that against it, and `extra` gains `annotators` and `votes`. `votes` counts people,
    `agreement` is their share for the label, 0 to 1. Only a person's first vote counts. Use it
    where several people voted on the same answers: otherwise a trainer sees the pair once per vote.

    Examples:
        >>> from curate import Pipeline, read_pairs
        >>> row = {"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}
        >>> columns = {name: name for name in ("prompt", "chosen", "rejected", "annotator")}
        >>> pairs = read_pairs([row | {"annotator": a} for a in ("ann", "bob")], columns=columns)
        >>> len(Pipeline({"filters": [{"type": "consensus"}]}).run(pairs).kept)
        1
    """

    name = "consensus"
    purpose = "duplicates and leaks"
    when = (
        "Where several people voted on the same answers: otherwise a trainer sees a pair per vote."
    )
    summary = "merge several people's votes on the same two answers into one pair"
    reference = "dawid_skene: Dawid and Skene 1979, Applied Statistics 28(1)"
    Params = ConsensusParams
    drop_codes = ("consensus_merged", "consensus_even")

    def reads(self) -> tuple[str, ...]:
        """Read texts, annotators and labels, and the posterior where it decides."""
        pair_columns = ("pair_id", "prompt", "chosen", "rejected", *_CHANGED_COLUMNS)
        return (*pair_columns, self.params.column) if self.params.by == "label_em" else pair_columns

    def adds(self) -> tuple[Column, ...]:
        """Add the number of voters, and their share for the label."""
        return (
            Column("votes", "people who voted on the same two answers", "int"),
            Column("agreement", "share of their votes for the label", "float", HIGHER, "0 to 1"),
            Column("status", "ok; or even: neither answer won", "text"),
        )

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep one pair of each group of votes."""
        votes = self._decide_groups(self._count_votes(pairs))
        # The kept pair must have the consensus label, so that no text is swapped.
        first_agreeing = (
            pl.col("row").filter(pl.col("label") == pl.col("consensus")).min().over("task")
        )
        # A tie that nobody voted for has no pair: the first pair represents it.
        votes = votes.with_columns(
            keeper=pl.coalesce(first_agreeing, pl.col("row").min().over("task"))
        )
        votes = votes.with_columns(
            merged=pl.col("people") > 1, even=(pl.col("consensus") == TIE) & (pl.col("people") > 1)
        )
        drop_all = pl.col("even") & (self.params.even == "drop")
        keep = ~pl.col("merged") | ((pl.col("row") == pl.col("keeper")) & ~drop_all)
        keeper_id = pairs["pair_id"].gather(votes["keeper"])
        decisions = votes.with_columns(keeper_id=keeper_id).select(
            keep=keep,
            reason=pl.when(drop_all)
            .then(pl.lit("the votes on these two answers are even"))
            .otherwise(pl.format("voted with {}", "keeper_id")),
            code=pl.when(drop_all)
            .then(pl.lit("consensus_even"))
            .otherwise(pl.lit("consensus_merged")),
        )
        self._record_groups(votes, decisions, context)
        added = votes.select(
            votes=pl.col("people").cast(pl.Int64),
            agreement=pl.col("won") / pl.col("people"),
            status=pl.when("even").then(pl.lit("even")).otherwise(pl.lit("ok")),
        )
        changed = _merged_columns(pairs, votes)
        return FilterResult(
            decisions["keep"], decisions["reason"], added, changed, decisions["code"]
        )

    def _count_votes(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return one row per pair, in order: task, label, whether it counts, people and votes."""
        votes = vote_table(pairs).with_row_index("row").with_columns(annotator=pairs["annotator"])
        # Only the first of a person's votes on the same answers counts.
        counts = pl.struct("task", "worker").is_first_distinct()
        has_annotator = pl.col("annotator").is_not_null()
        votes = votes.with_columns(counts=counts & has_annotator)
        if self.params.by == "label_em":
            right = as_numeric_column(pairs[self.params.column], self.name)
            votes = votes.with_columns(right=right)
        vote_counts = {
            name: (pl.col("counts") & (pl.col("label") == name)).sum().over("task")
            for name in (LOW, HIGH, TIE)
        }
        return votes.with_columns(people=pl.col("counts").sum().over("task"), **vote_counts)

    def _decide_groups(self, votes: pl.DataFrame) -> pl.DataFrame:
        """Add `consensus`, and `won`: the votes for it."""
        majority = (
            pl.when((pl.col(LOW) > pl.col(HIGH)) & (pl.col(LOW) >= pl.col(TIE)))
            .then(pl.lit(LOW))
            .when((pl.col(HIGH) > pl.col(LOW)) & (pl.col(HIGH) >= pl.col(TIE)))
            .then(pl.lit(HIGH))
            .otherwise(pl.lit(TIE))
        )
        votes = votes.with_columns(consensus=majority)
        if self.params.by == "dawid_skene":
            several = votes.filter(pl.col("counts") & (pl.col("people") > 1))
            if len(several):
                consensus = dawid_skene_consensus(several).rename({"consensus": "_found"})
                votes = votes.join(consensus, on="task", how="left", maintain_order="left")
                votes = votes.with_columns(consensus=pl.coalesce("_found", "consensus"))
        if self.params.by == "label_em":
            for_low = pl.when(pl.col("label") == LOW).then("right").otherwise(1.0 - pl.col("right"))
            mean = for_low.filter((pl.col("label") != TIE) & pl.col("counts")).mean().over("task")
            posterior_vote = (
                pl.when(mean > 0.5).then(pl.lit(LOW)).when(mean < 0.5).then(pl.lit(HIGH))
            )
            votes = votes.with_columns(consensus=pl.coalesce(posterior_vote, "consensus"))
        # Votes for the consensus, whichever rule decided it.
        won = pl.coalesce(
            pl.when(pl.col("consensus") == name).then(pl.col(name)) for name in (LOW, HIGH, TIE)
        )
        return votes.with_columns(won=pl.when(pl.col("people") > 0).then(won))

    def _record_groups(
        self, votes: pl.DataFrame, decisions: pl.DataFrame, context: Context
    ) -> None:
        merged = decisions.filter(~pl.col("keep"), pl.col("code") == "consensus_merged")
        groups = votes.filter(pl.col("people") > 1)
        context.facts.update(
            {
                "answers_voted_on": groups["task"].n_unique(),
                "votes": len(groups),
                "merged": len(merged),
                "even": groups.filter("even")["task"].n_unique(),
            }
        )
        anonymous = votes.filter(pl.col("annotator").is_null(), pl.col("label") != TIE)
        contradicting = anonymous.filter(pl.col("label").n_unique().over("task") > 1)
        if len(contradicting):
            context.warnings.append(
                f"{len(contradicting):,} pairs without annotators contradict each other and cannot "
                "be merged as votes; 'exact_duplicates' can drop them, or keep the better by "
                "a score (contradictions: drop | best)"
            )


def _merged_columns(pairs: pl.DataFrame, votes: pl.DataFrame) -> pl.DataFrame:
    """Return tie status, strength, annotator and `extra` of pairs that merge several votes."""
    counted = votes.filter("counts").group_by("task").agg(names="annotator")
    table = votes.join(counted, on="task", how="left", maintain_order="left")
    low_won = pl.col("consensus") == LOW
    # After an even vote the sides keep their order: "for" has no meaning there.
    table = table.with_columns(
        won=pl.when(low_won | pl.col("even")).then(LOW).otherwise(HIGH),
        lost=pl.when(low_won | pl.col("even")).then(HIGH).otherwise(LOW),
    )
    vote_counts = pl.struct(pl.col("won").alias("for"), pl.col("lost").alias("against"), ties=TIE)
    table = pl.concat([table, pairs.select(*_CHANGED_COLUMNS).drop("annotator")], how="horizontal")
    table = table.with_columns(
        with_annotators=with_extra_key("extra", "annotators", encode_json("names")),
        margin=((pl.col("won") - pl.col("lost")) / pl.col("people")).cast(pl.Float32),
    ).with_columns(extended=with_extra_key("with_annotators", "votes", encode_json(vote_counts)))
    merged = pl.col("merged")
    return table.select(
        is_tie=pl.when(merged)
        .then(pl.col("even") | (pl.col("consensus") == TIE))
        .otherwise("is_tie"),
        strength=pl.when(merged).then("margin").otherwise("strength"),
        annotator=pl.when(~merged).then("annotator"),
        extra=pl.when(merged).then("extended").otherwise("extra"),
    )
