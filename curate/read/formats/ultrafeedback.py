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
        """Pairs by the mean rating of the aspects, or by overall score where that is asked for."""
        annotated = pl.element().struct.field("annotations")
        aspects = [
            annotated.struct.field(aspect).struct.field("Rating").cast(pl.Float64, strict=False)
            for aspect in _ASPECTS
        ]
        overall = pl.element().struct.field("overall_score")
        # A mean of no rating is null: then the overall score is all there is.
        means = pl.coalesce(pl.mean_horizontal(*aspects), overall)
        score = means if self.ranking.score == "aspects" else overall
        ranked = pl.col("completions").list.eval(
            pl.struct(text=pl.element().struct.field("response"), score=score)
        )
        ratings = pl.col("completions").list.eval(
            pl.struct(
                rating.alias(aspect) for rating, aspect in zip(aspects, _ASPECTS, strict=True)
            ).struct.json_encode()
        )
        self._tell_disagreement(rows, means, overall)
        rows = rows.with_columns(
            add_to_extra("attributes", pl.format("[{}]", ratings.list.join(","))),
            prompt=as_turn("instruction", "user"),
            source=pl.col("source").cast(pl.String),
            _ranked=ranked.cast(RANKED),
        )
        return pairs_of_rankings(rows, self)

    def _tell_disagreement(self, rows: pl.DataFrame, means: pl.Expr, overall: pl.Expr) -> None:
        """Count rows whose best answer differs by aspects and by overall score."""
        completions = pl.col("completions").list
        by_aspects = completions.eval(means)
        by_overall = completions.eval(overall)
        best = rows.select(a=by_aspects, o=by_overall).select(
            # The answer that is best by one score is beaten by the other one.
            differ=pl.col("o").list.get(pl.col("a").list.arg_max(), null_on_oob=True)
            < pl.col("o").list.max()
        )
        used = "the aspects were taken" if self.ranking.score == "aspects" else "overall was taken"
        text = f"rows name another best answer by overall_score than by the mean of aspects; {used}"
        self.tell(text, int(best["differ"].sum()))
