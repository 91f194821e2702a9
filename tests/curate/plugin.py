"""A scorer as a package outside would bring it."""

from __future__ import annotations

import polars as pl

from curate.context import Context
from curate.pairs import messages_text
from curate.steps import Column, Parameters, Scorer


class Words(Scorer[Parameters]):
    """Words of the preferred answer."""

    name = "words"
    summary = "words of the preferred answer"
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        return (Column("count", "words", "int"),)

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        return pairs.select(count=messages_text("chosen").str.count_matches(r"\S+"))
