"""HelpSteer2's and HelpSteer3's preferences, and HelpSteer's responses rated by attributes."""

from __future__ import annotations

import polars as pl

from curate.errors import CurateError, suggestion
from curate.read.formats.base import (
    EXTRA,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    as_turn,
    has_columns,
    report_unused_rows,
)
from curate.read.formats.ranking_config import RankingRule
from curate.read.formats.rankings import RANKED, pairs_from_rankings
from curate.read.formats.slots import assign_winner, list_to_extra

_ATTRIBUTES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
_SINGLE_RESPONSE = "no other response to this prompt is rated"


class HelpSteer2(Format):
    """`prompt`, `response_1`, `response_2`, `preference_strength` (negative: the first wins)."""

    name = "helpsteer2"
    side_suffixes = ("response_1", "response_2")
    summary = "HelpSteer2 preference: prompt, response_1, response_2, preference_strength (-3..3)"
    text_columns = ("prompt", "response_1", "response_2")
    value_columns = ("preference_strength",)
    keep_in_extra = value_columns
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether both responses and the strength are there."""
        return has_columns(rows, "prompt", "response_1", "response_2", "preference_strength")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the better response as chosen; 0 is a tie."""
        return _assign_signed_winner(
            rows, "prompt", ("response_1", "response_2"), "preference_strength"
        )


class HelpSteer3(Format):
    """`context`, `response1`, `response2`, `overall_preference` (negative: the first wins)."""

    name = "helpsteer3"
    side_suffixes = ("response1", "response2")
    summary = "HelpSteer3 preference: context, response1, response2, overall_preference (-3..3)"
    text_columns = ("context", "response1", "response2")
    value_columns = ("overall_preference", "domain")
    keep_in_extra = value_columns
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether the context, both responses and the preference are there."""
        return has_columns(rows, "context", "response1", "response2", "overall_preference")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the better response as chosen; 0 is a tie; the domain as source."""
        rows = rows.with_columns(source=pl.col("domain").cast(pl.String))
        return _assign_signed_winner(
            rows, "context", ("response1", "response2"), "overall_preference"
        )


def _assign_signed_winner(
    rows: pl.DataFrame, prompt: str, answers: tuple[str, str], column: str
) -> pl.DataFrame:
    preference = pl.col(column).cast(pl.Float64, strict=False)
    rows = rows.with_columns(
        prompt=as_messages_column(rows, prompt, "user"),
        _first=as_messages_column(rows, answers[0], "assistant"),
        _second=as_messages_column(rows, answers[1], "assistant"),
        strength=preference.abs().cast(pl.Float32),
    )
    # A negative number prefers the first answer.
    winner = (
        pl.when(preference < 0).then(1).when(preference > 0).then(2).when(preference == 0).then(0)
    )
    # A number beyond the published scale is no vote that we know how to read.
    return assign_winner(rows, pl.when(preference.abs() <= 3).then(winner), "-3 to 3")


class HelpSteerAttributes(Format):
    """`prompt`, `response` and ratings of it (0 to 4); rows of one prompt make a ranking.

    The score of a response is the sum of its ratings by `input.ranking.weights` (default:
    helpfulness alone), and equal scores are a tie. `extra` holds the ratings of all responses and
    their rows.
    """

    name = "helpsteer2_attributes"
    summary = "HelpSteer and HelpSteer2: prompt, response, helpfulness, ...; see input.ranking"
    text_columns = ("prompt", "response")
    value_columns = _ATTRIBUTES
    needs_all_rows = True
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether a single response is rated."""
        return has_columns(rows, "prompt", "response", *_ATTRIBUTES)

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs by the weighted sum of ratings."""
        weights = _attribute_weights(options.ranking)
        score = pl.sum_horizontal(
            (pl.col(name).cast(pl.Float64) * weight for name, weight in weights.items()),
            # A sum of fewer attributes would rank below the others.
            ignore_nulls=False,
        )
        ratings = pl.struct(_ATTRIBUTES).struct.json_encode()
        scored = rows.with_columns(_score=score, _ratings=ratings)
        groups = scored.group_by("prompt", maintain_order=True).agg(
            pl.col(ROW, EXTRA).first(),
            _ranked=pl.struct(text=pl.col("response"), score=pl.col("_score")).cast(RANKED.inner),
            _rows=pl.col(ROW).cast(pl.String),
            _ratings=pl.col("_ratings"),
        )
        # A single response has nothing to be compared with.
        several = groups.filter(pl.col("_ranked").list.len() > 1)
        rankings = several.with_columns(list_to_extra("rows", "_rows")).with_columns(
            list_to_extra("attributes", "_ratings"),
            prompt=as_turn("prompt", "user"),
        )
        pairs = pairs_from_rankings(rankings.drop("_rows", "_ratings"), options)
        used = several.select(pl.col("_rows").cast(pl.List(pl.Int64)).alias(ROW)).explode(ROW)
        return report_unused_rows(pairs, rows, used, _SINGLE_RESPONSE)


def _attribute_weights(rule: RankingRule) -> dict[str, float]:
    """Return the weights of the rule; raise CurateError for one of no attribute."""
    weights = rule.weights
    for name in weights:
        if name not in _ATTRIBUTES:
            raise CurateError(
                "unknown attribute",
                where="input.ranking.weights",
                found=repr(name),
                fix=suggestion(name, _ATTRIBUTES),
            )
    return weights
