"""UltraFeedback as openbmb published it: four completions to an instruction, scored by GPT-4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import polars as pl

from curate.data.messages import IMAGES, PLACEHOLDERS
from curate.read.formats.base import (
    Format,
    ReadOptions,
    RowSample,
    as_turn,
    has_columns,
    share_of_rows,
)
from curate.read.formats.rankings import (
    RANKED_WITH_METADATA,
    add_answer_metadata,
    answer_metadata,
    pairs_from_rankings,
)
from curate.read.formats.slots import add_to_extra

_ASPECTS = ("helpfulness", "honesty", "instruction_following", "truthfulness")
_IMAGE_ASPECTS = ("Helpfulness", "Visual Faithfulness", "Ethical Considerations")
_MIN_SHARE = 0.9
_RATING = pl.Struct({"Rating": pl.String})


def _completions_type(aspects: Sequence[str]) -> pl.DataType:
    """Return the type of completions whose annotations rate these aspects."""
    rated = pl.Struct(dict.fromkeys(aspects, _RATING))
    text, model = (pl.Field(name, pl.String) for name in ("response", "model"))
    score = pl.Field("overall_score", pl.Float64)
    return pl.List(pl.Struct([text, model, score, pl.Field("annotations", rated)]))


class UltraFeedback(Format):
    """`instruction` and `completions` with `response` and `overall_score`.

    Pairs are made by `input.ranking`; `extra` holds the ratings of all completions by aspect, and
    the model of each answer under `chosen_answer` and `rejected_answer`.
    """

    name = "ultrafeedback"
    summary = "UltraFeedback: instruction, completions (response, overall_score); see input.ranking"
    text_columns = ("instruction",)
    value_columns = ("source",)
    nested_columns: ClassVar[Mapping[str, pl.DataType]] = {
        "completions": _completions_type(_ASPECTS)
    }
    draws_by_row = True
    priority = 10
    prompt_column: ClassVar[str] = "instruction"
    aspects: ClassVar[Sequence[str]] = _ASPECTS

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are completions to an instruction."""
        return has_columns(rows, self.prompt_column, "completions")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs by the mean rating of the aspects, or by overall score if requested."""
        annotated = pl.element().struct.field("annotations")
        aspects = [
            annotated.struct.field(aspect).struct.field("Rating").cast(pl.Float64, strict=False)
            for aspect in self.aspects
        ]
        overall = pl.element().struct.field("overall_score")
        # A mean of no rating is null: then the overall score is all there is.
        mean_ratings = pl.coalesce(pl.mean_horizontal(*aspects), overall)
        score = mean_ratings if options.ranking.score == "aspects" else overall
        ranked = pl.col("completions").list.eval(
            pl.struct(
                text=pl.element().struct.field("response"),
                score=score,
                said=answer_metadata("model"),
            )
        )
        ratings = pl.col("completions").list.eval(
            pl.struct(
                rating.alias(aspect) for rating, aspect in zip(aspects, self.aspects, strict=True)
            ).struct.json_encode()
        )
        _note_disagreement(rows, mean_ratings, overall, options)
        rows = rows.with_columns(
            add_to_extra("attributes", pl.format("[{}]", ratings.list.join(","))),
            prompt=as_turn(self.prompt_column, "user"),
            source=pl.col("source").cast(pl.String),
            _ranked=ranked.cast(RANKED_WITH_METADATA),
        )
        return add_answer_metadata(pairs_from_rankings(rows, options), "answer")


class VLFeedback(UltraFeedback):
    """`prompt` about an image and `completions` whose annotations rate three aspects.

    As MMInstruction/VLFeedback (2312.10665): the score is the mean rating of helpfulness, visual
    faithfulness and ethical considerations. The question comes after its image.
    """

    name = "vlfeedback"
    summary = "VLFeedback: image, prompt, completions (response, annotations); see input.ranking"
    text_columns = ("prompt",)
    nested_columns: ClassVar[Mapping[str, pl.DataType]] = {
        "completions": _completions_type(_IMAGE_ASPECTS)
    }
    prompt_column: ClassVar[str] = "prompt"
    aspects: ClassVar[Sequence[str]] = _IMAGE_ASPECTS

    def matches(self, rows: RowSample) -> bool:
        """Return whether the completions are rated by what they say of an image."""
        return super().matches(rows) and share_of_rows(rows, _rates_an_image) > _MIN_SHARE

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs by the mean rating, with a placeholder for the image."""
        pictured = pl.col("images").list.len() > 0 if "images" in rows.columns else pl.lit(False)
        marked = pl.lit(PLACEHOLDERS[IMAGES]) + pl.col("prompt")
        return super().convert(
            rows.with_columns(prompt=pl.when(pictured).then(marked).otherwise("prompt")), options
        )


def _note_disagreement(
    rows: pl.DataFrame, mean_ratings: pl.Expr, overall: pl.Expr, options: ReadOptions
) -> None:
    """Note rows whose best answer by aspects is not the best by overall score."""
    completions = pl.col("completions").list
    by_aspects = completions.eval(mean_ratings)
    by_overall = completions.eval(overall)
    best = rows.select(a=by_aspects, o=by_overall).select(
        # The answer that is best by one score is beaten by the other one.
        differ=pl.col("o").list.get(pl.col("a").list.arg_max(), null_on_oob=True)
        < pl.col("o").list.max()
    )
    used = "the aspects were taken" if options.ranking.score == "aspects" else "overall was taken"
    text = f"rows name another best answer by overall_score than by the mean of aspects; {used}"
    options.count_note(text, int(best["differ"].sum()))


def _rates_an_image(row: Mapping[str, Any]) -> bool:
    """Return whether a row's first completion is rated by how faithful it is to an image."""
    completions = row.get("completions") or [{}]
    return _IMAGE_ASPECTS[1] in (completions[0].get("annotations") or {})
