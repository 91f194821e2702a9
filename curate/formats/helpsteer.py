"""HelpSteer2's and HelpSteer3's preferences: two responses and a strength from -3 to 3."""

from __future__ import annotations

import polars as pl

from curate.formats.base import Format, RowSample, has_columns, turns
from curate.formats.slots import place_slots


class HelpSteer2(Format):
    """`prompt`, `response_1`, `response_2`, `preference_strength` (negative: the first wins)."""

    name = "helpsteer2"
    summary = "HelpSteer2 preference: prompt, response_1, response_2, preference_strength (-3..3)"
    text_columns = ("prompt", "response_1", "response_2")
    value_columns = ("preference_strength",)
    keep_in_extra = value_columns
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Whether both responses and the strength are there."""
        return has_columns(rows, "prompt", "response_1", "response_2", "preference_strength")

    def convert(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The better response as chosen; 0 is a tie."""
        return _signed(rows, "prompt", ("response_1", "response_2"), "preference_strength")


class HelpSteer3(Format):
    """`context`, `response1`, `response2`, `overall_preference` (negative: the first wins)."""

    name = "helpsteer3"
    summary = "HelpSteer3 preference: context, response1, response2, overall_preference (-3..3)"
    text_columns = ("context", "response1", "response2")
    value_columns = ("overall_preference", "domain")
    keep_in_extra = value_columns
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Whether the context, both responses and the preference are there."""
        return has_columns(rows, "context", "response1", "response2", "overall_preference")

    def convert(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The better response as chosen; 0 is a tie; the domain as source."""
        rows = rows.with_columns(source=pl.col("domain").cast(pl.String))
        return _signed(rows, "context", ("response1", "response2"), "overall_preference")


def _signed(rows: pl.DataFrame, prompt: str, answers: tuple[str, str], column: str) -> pl.DataFrame:
    preference = pl.col(column).cast(pl.Float64, strict=False)
    rows = rows.with_columns(
        prompt=turns(rows, prompt, "user"),
        _first=turns(rows, answers[0], "assistant"),
        _second=turns(rows, answers[1], "assistant"),
        strength=preference.abs().cast(pl.Float32),
    )
    sides = (
        pl.when(preference < 0).then(1).when(preference > 0).then(2).when(preference == 0).then(0)
    )
    return place_slots(rows, pl.when(preference.abs() <= 3).then(sides), "-3 to 3")
