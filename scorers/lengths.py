"""Lengths of prompts and answers, and their differences."""

from __future__ import annotations

import polars as pl

from curate import Cache, Column, Context, Parameters, Scope, Scorer, Standing
from curate.scoring import messages_text
from curate.scoring.texts import count_words


class Lengths(Scorer[Parameters]):
    """Count characters, words and turns, and compare the two answers.

    `prompt`, `chosen`, `rejected` and `difference` (chosen minus rejected) are in Unicode
    characters, `chosen_words` and `rejected_words` in runs without white space, `turns` in
    messages. `log_ratio` is log((chosen + 1) / (rejected + 1)). Use it always: length bias is the
    first thing to check.

    Examples:
        >>> from curate import score
        >>> row = {"prompt": "2 + 2?", "chosen": "It is 4.", "rejected": "5"}
        >>> score([row], "lengths").frame["lengths.difference"].to_list()
        [7]
    """

    name = "lengths"
    purpose = "texts"
    standing = Standing.RECOMMENDED
    when = "Always: length bias is the first thing to check."
    summary = "characters, words and turns of prompt and answers, and how the answers differ"
    scope = Scope.ROW
    cache = Cache.WHOLE
    single_answer_columns = ("prompt", "chosen", "chosen_words", "turns")
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        """Return lengths in Unicode characters, words (runs without white space) and messages."""
        return (
            Column("prompt", "length of the prompt", "int", unit="characters"),
            Column("chosen", "length of the chosen answer", "int", unit="characters"),
            Column("rejected", "length of the rejected answer", "int", unit="characters"),
            Column("chosen_words", "words of the chosen answer", "int", unit="words"),
            Column("rejected_words", "words of the rejected answer", "int", unit="words"),
            Column("difference", "chosen minus rejected", "int", unit="characters"),
            Column(
                "log_ratio",
                "log((chosen + 1) / (rejected + 1)): 0 for equal lengths, negated by a swap",
                unit="nats",
            ),
            Column("turns", "messages of the prompt", "int", unit="messages"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return the lengths of a batch."""
        texts = pairs.select(
            *(messages_text(c).alias(c) for c in ("prompt", "chosen", "rejected")),
            turns=pl.col("prompt").list.len(),
        )
        lengths = texts.select(
            *(pl.col(c).str.len_chars().cast(pl.Int64) for c in ("prompt", "chosen", "rejected")),
            *(count_words(texts[c]).alias(f"{c}_words") for c in ("chosen", "rejected")),
            pl.col("turns").cast(pl.Int64),
        )
        return lengths.with_columns(
            difference=pl.col("chosen") - pl.col("rejected"),
            # Plus 1, so that the logarithm of an empty answer is defined.
            log_ratio=(pl.col("chosen") + 1).log() - (pl.col("rejected") + 1).log(),
        ).select([c.name for c in self.columns()])
