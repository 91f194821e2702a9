"""DOVE's joint preferences: two instruction-response pairs, whose instructions may differ."""

from __future__ import annotations

import polars as pl

from curate.read.formats.base import Format, ReadOptions, RowSample, as_messages_column, has_columns


class DOVE(Format):
    """`i_chosen`, `r_chosen`, `i_reject`, `r_reject` (2404.00530).

    Where the instructions differ the pair has no prompt, and each answer holds its own instruction
    as a user turn before the response; where they are the same it is a usual pair.
    """

    name = "dove"
    side_suffixes = ("chosen", "reject")
    summary = "DOVE joint preferences: i_chosen, r_chosen, i_reject, r_reject"
    text_columns = ("i_chosen", "r_chosen", "i_reject", "r_reject")
    answers_may_start_with_user = True
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether both instructions and both responses are there."""
        return has_columns(rows, *self.text_columns)

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the shared instruction as prompt, else the instruction as part of each answer."""
        rows = rows.with_columns(
            *(
                as_messages_column(rows, name, "user").alias(name)
                for name in ("i_chosen", "i_reject")
            ),
            *(
                as_messages_column(rows, name, "assistant").alias(name)
                for name in ("r_chosen", "r_reject")
            ),
        )
        # With one instruction it is an ordinary pair; else each answer is a conversation of its
        # own.
        same = pl.col("i_chosen") == pl.col("i_reject")
        sides = {
            side: pl.when(same)
            .then(f"r_{tail}")
            .otherwise(pl.concat_list(f"i_{tail}", f"r_{tail}"))
            for side, tail in (("chosen", "chosen"), ("rejected", "reject"))
        }
        return rows.with_columns(prompt=pl.when(same).then("i_chosen"), **sides)
