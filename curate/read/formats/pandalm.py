"""PandaLM: two responses to an instruction, judged by several annotators each."""

from __future__ import annotations

import polars as pl

from curate.read.formats.base import Format, ReadOptions, RowSample, as_turn, has_columns
from curate.read.formats.slots import add_to_extra, assign_winner, integer_column, unpivot_votes

_VOTES = ("annotator1", "annotator2", "annotator3")


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
