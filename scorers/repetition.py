"""How much an answer repeats itself."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import LOWER, Cache, Column, Context, Parameters, Scope, Scorer
from curate.scoring import messages_text
from curate.scoring.texts import distinct_ngram_share


class RepetitionParams(Parameters):
    """Parameters of `repetition`."""

    n: int = Field(4, ge=1, le=20, description="Words in an n-gram.")


class Repetition(Scorer[RepetitionParams]):
    """Compute the share of repeated word n-grams and of repeated lines in both answers.

    `chosen` and `rejected` are 1 - distinct n-grams / n-grams; `chosen_lines` and `rejected_lines`
    are the same for non-blank lines; all are 0 to 1 (Gopher's repetition rules, arXiv 2112.11446,
    table A1). Use it to find degenerate answers.

    Examples:
        >>> from curate import score
        >>> row = {"prompt": "Sing.", "chosen": "la la la la", "rejected": "one two three four"}
        >>> score([row], "repetition", n=1).frame["repetition.chosen"].to_list()
        [0.75]
    """

    name = "repetition"
    purpose = "texts"
    when = "To find degenerate answers."
    summary = "share of repeated n-grams of words and of repeated lines in the answers"
    reference = "Gopher's repetition rules: arXiv 2112.11446, table A1"
    scope = Scope.ROW
    cache = Cache.PER_ROW
    single_answer_columns = ("chosen", "chosen_lines")
    Params = RepetitionParams

    def columns(self) -> tuple[Column, ...]:
        """Return shares of both answers."""
        return (
            Column("chosen", "repeated n-grams of the chosen answer", "float", LOWER, "0 to 1"),
            Column("rejected", "repeated n-grams of the rejected answer", "float", LOWER, "0 to 1"),
            Column("chosen_lines", "repeated lines of chosen", "float", LOWER, "0 to 1"),
            Column("rejected_lines", "repeated lines of rejected", "float", LOWER, "0 to 1"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return shares of a batch."""
        sides = ("chosen", "rejected")
        texts = pairs.select(messages_text(side).fill_null("").alias(side) for side in sides)
        grams = {side: 1.0 - distinct_ngram_share(pl.col(side), self.params.n) for side in sides}
        lines = {f"{side}_lines": _repeated_line_share(pl.col(side)) for side in sides}
        return texts.select(**grams, **lines)


def _repeated_line_share(text: pl.Expr) -> pl.Expr:
    # Lines that differ in indentation count as equal; empty lines repeat in any text.
    line = pl.element().str.strip_chars()
    lines = text.str.split("\n").list.eval(line.filter(line != ""))
    share = 1.0 - lines.list.n_unique() / lines.list.len()
    return pl.when(lines.list.len() > 0).then(share).otherwise(0.0)
