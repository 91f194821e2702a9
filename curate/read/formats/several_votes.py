"""Two answers with several labels, each of which is a vote: a pair by each."""

from __future__ import annotations

import polars as pl

from curate.read.formats.base import (
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    as_turn,
    has_columns,
)
from curate.read.formats.slots import add_to_extra, assign_winner, integer_column, unpivot_votes

_VOTES = ("annotator1", "annotator2", "annotator3")
_LABELS = {"better_response_id": "better", "safer_response_id": "safer"}


class PandaLM(Format):
    """Each annotator's vote (1, 2, or 0 for a tie) becomes a separate pair.

    The published file stores answers such as "True" as JSON booleans; they are read as text.
    """

    name = "pandalm"
    summary = (
        "PandaLM test set: instruction, input, response1, response2 and three annotators' votes"
    )
    text_columns = ("instruction", "input", "response1", "response2")
    value_columns = _VOTES
    keep_in_extra = ("instruction", "input")
    scalars_are_text = True
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether the two responses and the first vote are there."""
        return has_columns(rows, "instruction", "response1", "response2", "annotator1")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return one pair for each vote that was cast."""
        input_text = pl.col("input").str.strip_chars()
        prompt_texts = [pl.col("instruction"), pl.when(input_text != "").then(input_text)]
        joined_text = pl.concat_str(prompt_texts, separator="\n\n", ignore_nulls=True)
        prompt = pl.when(pl.any_horizontal(text.is_not_null() for text in prompt_texts)).then(
            joined_text
        )
        votes = unpivot_votes(rows, _VOTES, "annotator").with_columns(
            add_to_extra("vote", pl.col("_vote").cast(pl.String)),
            prompt=as_turn(prompt, "user"),
            _first=as_turn("response1", "assistant"),
            _second=as_turn("response2", "assistant"),
        )
        vote = integer_column("_vote")
        # 0 is a tie, which is a vote too.
        winner = pl.when(vote.is_in([0, 1, 2])).then(vote)
        return assign_winner(votes, winner, "1, 2 or 0 (tie)")


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
