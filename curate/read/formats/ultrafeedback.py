"""UltraFeedback as openbmb published it: four completions to an instruction, scored by GPT-4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import polars as pl

from curate.read.formats.base import Format, RowSample, as_turn, has_columns
from curate.read.formats.rankings import RANKED, pairs_of_rankings
from curate.read.formats.slots import add_to_extra

_ASPECTS = ("helpfulness", "honesty", "instruction_following", "truthfulness")
_RATING = pl.Struct({"Rating": pl.String})
_COMPLETION = pl.Struct(
    {
        "response": pl.String,
        "overall_score": pl.Float64,
        "annotations": pl.Struct(dict.fromkeys(_ASPECTS, _RATING)),
    }
)


class UltraFeedback(Format):
    """`instruction` and `completions` with `response` and `overall_score`.

    Pairs are made by `input.ranking`; `extra` holds the ratings of all completions by aspect.
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
        annotated = pl.element().struct.field("annotations")
        ratings = pl.col("completions").list.eval(
            pl.struct(
                annotated.struct.field(aspect)
                .struct.field("Rating")
                .cast(pl.Float64, strict=False)
                .alias(aspect)
                for aspect in _ASPECTS
            ).struct.json_encode()
        )
        rows = rows.with_columns(
            add_to_extra("attributes", pl.format("[{}]", ratings.list.join(","))),
            prompt=as_turn("instruction", "user"),
            source=pl.col("source").cast(pl.String),
            _ranked=ranked.cast(RANKED),
        )
        return pairs_of_rankings(rows, self.ranking)
