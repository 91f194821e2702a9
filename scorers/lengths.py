"""Lengths of prompts and answers, and their differences."""

from __future__ import annotations

from typing import ClassVar, Literal

import polars as pl

from curate import Column, Context, Parameters, Scorer
from curate.data.table import messages_text


class Lengths(Scorer[Parameters]):
    """Characters of each part, words of the answers, and chosen minus rejected."""

    name = "lengths"
    purpose = "texts"
    when = "Always: length bias is the first thing to look at."
    summary = "characters, words and turns of prompt and answers, and how the answers differ"
    scope: ClassVar[Literal["row", "table"]] = "row"
    stored, stored_whole = True, True
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        """Lengths in Unicode characters, words (runs without white space) and messages."""
        return (
            Column("prompt", "length of the prompt", "int", unit="characters"),
            Column("chosen", "length of the preferred answer", "int", unit="characters"),
            Column("rejected", "length of the other answer", "int", unit="characters"),
            Column("chosen_words", "words of the preferred answer", "int", unit="words"),
            Column("rejected_words", "words of the other answer", "int", unit="words"),
            Column("difference", "chosen minus rejected", "int", unit="characters"),
            Column(
                "log_ratio",
                "log((chosen + 1) / (rejected + 1)): 0 where both are as long, negated by a swap",
                unit="nats",
            ),
            Column("turns", "messages of the prompt", "int", unit="messages"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """The lengths of a batch."""
        texts = pairs.select(
            *(messages_text(c).alias(c) for c in ("prompt", "chosen", "rejected")),
            turns=pl.col("prompt").list.len(),
        )
        lengths = texts.select(
            *(pl.col(c).str.len_chars().cast(pl.Int64) for c in ("prompt", "chosen", "rejected")),
            *(
                pl.col(c).str.count_matches(r"\S+").cast(pl.Int64).alias(f"{c}_words")
                for c in ("chosen", "rejected")
            ),
            pl.col("turns").cast(pl.Int64),
        )
        return lengths.with_columns(
            difference=pl.col("chosen") - pl.col("rejected"),
            # One is added so that an empty answer has a length to compare with.
            log_ratio=(pl.col("chosen") + 1).log() - (pl.col("rejected") + 1).log(),
        ).select([c.name for c in self.columns()])
