"""How much an answer repeats itself."""

from __future__ import annotations

from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from curate import LOWER, Column, Context, Parameters, Scorer
from curate.data.table import messages_text
from curate.models.text.style import distinct_ngram_share


class RepetitionParams(Parameters):
    """Parameters of `repetition`."""

    n: int = Field(4, ge=1, le=20, description="Words in an n-gram.")


class Repetition(Scorer[RepetitionParams]):
    """1 - distinct n-grams / n-grams, and the same of lines that are not blank."""

    name = "repetition"
    purpose = "texts"
    when = "To find degenerate answers."
    summary = "share of repeated n-grams of words and of repeated lines in the answers"
    reference = "Gopher's repetition rules: arXiv 2112.11446, table A1"
    scope: ClassVar[Literal["row", "table"]] = "row"
    stored = True
    Params = RepetitionParams

    def columns(self) -> tuple[Column, ...]:
        """Shares of both answers."""
        return (
            Column("chosen", "repeated n-grams of the preferred answer", "float", LOWER, "0 to 1"),
            Column("rejected", "repeated n-grams of the other answer", "float", LOWER, "0 to 1"),
            Column("chosen_lines", "repeated lines of chosen", "float", LOWER, "0 to 1"),
            Column("rejected_lines", "repeated lines of rejected", "float", LOWER, "0 to 1"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Shares of a batch."""
        sides = ("chosen", "rejected")
        texts = pairs.select(messages_text(side).fill_null("").alias(side) for side in sides)
        grams = {side: 1.0 - distinct_ngram_share(pl.col(side), self.params.n) for side in sides}
        lines = {f"{side}_lines": _repeated_lines(pl.col(side)) for side in sides}
        return texts.select(**grams, **lines)


def _repeated_lines(text: pl.Expr) -> pl.Expr:
    # Indentation makes no other line, and empty ones repeat in any text.
    line = pl.element().str.strip_chars()
    lines = text.str.split("\n").list.eval(line.filter(line != ""))
    share = 1.0 - lines.list.n_unique() / lines.list.len()
    return pl.when(lines.list.len() > 0).then(share).otherwise(0.0)
