"""MultiPref: two completions, judged by two crowd workers and two experts each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import polars as pl

from curate.read.formats.base import (
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
    report_unused_rows,
)
from curate.read.formats.slots import add_to_extra, assign_winner

_VOTE = pl.Struct({"evaluator": pl.String, "overall_pref": pl.String})
_GROUPS = {"normal_worker_annotations": "normal", "expert_worker_annotations": "expert"}
_WINNER = {
    "A-is-clearly-better": 1,
    "A-is-slightly-better": 1,
    "Tie": 0,
    "B-is-slightly-better": 2,
    "B-is-clearly-better": 2,
}
_STRENGTH = {name: 2.0 if "clearly" in name else 1.0 for name in _WINNER} | {"Tie": 0.0}


class MultiPref(Format):
    """`text`, `completion_a`, `completion_b`, and lists of annotations by workers and experts.

    Each `overall_pref` is a separate pair: 2 for clearly, 1 for slightly better, 0 for a tie as
    strength; the evaluator as annotator, and in `extra` whether a worker or an expert.
    """

    name = "multipref"
    summary = "MultiPref: text, completion_a, completion_b, annotations by workers and experts"
    text_columns = ("text", "completion_a", "completion_b")
    value_columns = ("source",)
    nested_columns: ClassVar[Mapping[str, pl.DataType]] = dict.fromkeys(_GROUPS, pl.List(_VOTE))
    keep_in_extra = tuple(_GROUPS)
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether both completions and one of the lists are there."""
        has_answers = has_columns(rows, "text", "completion_a", "completion_b")
        return has_answers and any(has_columns(rows, name) for name in _GROUPS)

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return one pair for each annotation of a row."""
        votes = pl.concat([_vote_columns(rows, column) for column in _GROUPS])
        # All votes on a pair behind one another, whichever group cast them.
        votes = votes.sort(ROW, maintain_order=True)
        pairs = rows.drop(*_GROUPS).join(votes, on=ROW, maintain_order="left_right")
        pairs = pairs.with_columns(
            add_to_extra("group", pl.format('"{}"', "_group")),
            prompt=as_messages_column(rows, "text", "user"),
            _first=as_messages_column(rows, "completion_a", "assistant"),
            _second=as_messages_column(rows, "completion_b", "assistant"),
            annotator="evaluator",
            strength=pl.col("overall_pref").replace_strict(_STRENGTH, default=None),
        )
        choice = pl.col("overall_pref")
        winner = choice.replace_strict(_WINNER, default=None, return_dtype=pl.Int64)
        placed = assign_winner(pairs, winner, ", ".join(_WINNER))
        return report_unused_rows(placed, rows, votes, "no one judged the pair")


def _vote_columns(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return row number, evaluator and choice of each annotation of one group."""
    long = rows.select(ROW, column).explode(column).drop_nulls(column).unnest(column)
    group = pl.lit(_GROUPS[column]).alias("_group")
    return long.filter(pl.col("overall_pref").is_not_null()).with_columns(group)
