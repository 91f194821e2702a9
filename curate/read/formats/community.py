"""Community Alignment: up to four turns, at each of which a person chose one of four answers."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from curate.data.table import MESSAGES
from curate.read.formats.base import (
    EXTRA,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_turn,
    has_columns,
    report_unused_rows,
)
from curate.read.formats.slots import add_to_extra

_TURNS = ("first", "second", "third", "fourth")
_LETTERS = ("a", "b", "c", "d")


class CommunityAlignment(Format):
    """`first_turn_prompt`, `first_turn_response_a`..`d`, `first_turn_preferred_response`, ...

    The chosen answer makes a pair with each of the three others; the prompt of a later turn is the
    conversation along the chosen answers. A conversation ends at the first turn without a choice.
    """

    name = "community_alignment"
    summary = "Community Alignment: four answers a turn and the preferred one, four turns at most"
    text_columns = tuple(
        f"{turn}_turn_{part}"
        for turn in _TURNS
        for part in ("prompt", *(f"response_{letter}" for letter in _LETTERS))
    )
    value_columns = (
        "annotator_id",
        "assigned_lang",
        *(f"{turn}_turn_preferred_response" for turn in _TURNS),
    )
    keep_in_extra = value_columns
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether the first turn's answers and choice are there."""
        columns = ("first_turn_prompt", "first_turn_response_a", "first_turn_preferred_response")
        return has_columns(rows, *columns)

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return at most three pairs a turn, with the language as source."""
        turn_pairs = pl.concat(list(_pairs_by_turn(rows))).sort(ROW, maintain_order=True)
        base = rows.select(
            ROW,
            EXTRA,
            annotator=pl.col("annotator_id").cast(pl.String),
            source=pl.col("assigned_lang").cast(pl.String),
        )
        pairs = turn_pairs.join(base, on=ROW, how="left", maintain_order="left")
        pairs = pairs.with_columns(add_to_extra("turn", pl.col("turn").cast(pl.String)))
        return report_unused_rows(pairs, rows, turn_pairs, "no answer was chosen at the first turn")


def _pairs_by_turn(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the pairs of each turn: the chosen answer with each other one."""
    history: pl.Expr = pl.lit([], dtype=MESSAGES)
    reached: pl.Expr = pl.lit(True)
    for number, turn in enumerate(_TURNS, 1):
        prompt = pl.col(f"{turn}_turn_prompt").cast(pl.String)
        answers = {x: pl.col(f"{turn}_turn_response_{x}").cast(pl.String) for x in _LETTERS}
        # "a" and "response_a" both occur.
        letter = pl.col(f"{turn}_turn_preferred_response").cast(pl.String).str.slice(-1)
        chosen = pl.coalesce(*(pl.when(letter == x).then(a) for x, a in answers.items()))
        # A turn without a choice ends the conversation: later prompts would have another history.
        reached = reached & prompt.is_not_null() & chosen.is_not_null()
        conversation = pl.concat_list(history, as_turn(prompt, "user")).cast(MESSAGES)
        # The chosen answer was preferred to each of the others that were shown.
        for x, answer in answers.items():
            is_rejected = reached & (letter != x) & answer.is_not_null() & (answer != chosen)
            yield rows.filter(is_rejected).select(
                ROW,
                turn=pl.lit(number),
                prompt=conversation,
                chosen=as_turn(chosen, "assistant"),
                rejected=as_turn(answer, "assistant"),
            )
        history = pl.concat_list(conversation, as_turn(chosen, "assistant")).cast(MESSAGES)
