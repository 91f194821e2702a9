"""PKU-SafeRLHF: two responses, judged once for being better and once for being safer."""

from __future__ import annotations

import polars as pl

from curate.read.formats.base import Format, ReadOptions, RowSample, as_messages_column, has_columns
from curate.read.formats.slots import add_to_extra, assign_winner, integer_column, unpivot_votes

_LABELS = {"better_response_id": "better", "safer_response_id": "safer"}


class PKUSafeRLHF(Format):
    """Each of the two labels becomes a pair; `annotator` says which: "better" or "safer"."""

    name = "pku_saferlhf"
    summary = "PKU-SafeRLHF: prompt, response_0, response_1, better_response_id, safer_response_id"
    text_columns = ("prompt", "response_0", "response_1")
    value_columns = tuple(_LABELS)
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether both responses and one of the labels are there."""
        has_answers = has_columns(rows, "prompt", "response_0", "response_1")
        return has_answers and any(has_columns(rows, label) for label in _LABELS)

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return one pair for each label of a row; a missing label gives none."""
        votes = unpivot_votes(rows, tuple(_LABELS), "_label").with_columns(
            add_to_extra("chosen_response_id", pl.col("_vote").cast(pl.String)),
            prompt=as_messages_column(rows, "prompt", "user"),
            _first=as_messages_column(rows, "response_0", "assistant"),
            _second=as_messages_column(rows, "response_1", "assistant"),
            annotator=pl.col("_label").replace_strict(_LABELS),
        )
        # The number of the preferred response, counted from 0.
        vote = integer_column("_vote")
        winner = vote.replace_strict({0: 1, 1: 2}, default=None, return_dtype=pl.Int64)
        return assign_winner(votes, winner, "0 or 1")
