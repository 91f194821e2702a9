"""UltraFeedback as openbmb published it: four completions to an instruction, scored by GPT-4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import polars as pl

from curate.formats.base import Format, RowSample, as_turn, has_columns
from curate.formats.rankings import RANKED, pairs_of_rankings

_COMPLETION = pl.Struct({"response": pl.String, "overall_score": pl.Float64})


class UltraFeedback(Format):
    """`instruction` and `completions` with `response` and `overall_score`.

    Pairs are made by `input.ranking`.
    """

    name = "ultrafeedback"
    summary = "UltraFeedback: instruction, completions (response, overall_score); see input.ranking"
    text_columns = ("instruction",)
    value_columns = ("source",)
    nested_columns: ClassVar[Mapping[str, pl.DataType]] = {"completions": pl.List(_COMPLETION)}
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Whether there are completions to an instruction."""
        return has_columns(rows, "instruction", "completions")

    def convert(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Pairs by overall score."""
        ranked = pl.col("completions").list.eval(
            pl.struct(
                text=pl.element().struct.field("response"),
                score=pl.element().struct.field("overall_score"),
            )
        )
        rows = rows.with_columns(
            prompt=as_turn("instruction", "user"),
            source=pl.col("source").cast(pl.String),
            _ranked=ranked.cast(RANKED),
        )
        return pairs_of_rankings(rows, self.ranking)
