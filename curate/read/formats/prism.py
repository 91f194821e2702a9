"""PRISM: conversations in which a person scores several models' answers at each turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import polars as pl

from curate.data.table import MESSAGES
from curate.data.table import plain_message as message_of
from curate.read.formats.base import (
    ERROR,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    has_columns,
    report_unused_rows,
)
from curate.read.formats.rankings import RANKED, pairs_from_rankings
from curate.read.formats.slots import add_to_extra

_ENTRY = pl.Struct(
    {
        "turn": pl.Int64,
        "role": pl.String,
        "content": pl.String,
        "score": pl.Float64,
        "if_chosen": pl.Boolean,
    }
)
_NO_TURN = "the conversation holds no turn with two scored answers"


class PRISM(Format):
    """`conversation_history` with `turn`, `role`, `content`, `score` (1 to 100) and `if_chosen`.

    Each turn is a ranking, of which `input.ranking` makes pairs; the prompt is the conversation so
    far along the answers that were chosen. Read the configuration `conversations`.
    """

    name = "prism"
    summary = "PRISM conversations: conversation_history with scored answers; see input.ranking"
    value_columns = ("user_id",)
    nested_columns: ClassVar[Mapping[str, pl.DataType]] = {"conversation_history": pl.List(_ENTRY)}
    draws_by_row = True
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are conversation histories of a user."""
        return has_columns(rows, "conversation_history", "user_id")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs by score, turn by turn; the user is the annotator."""
        entries = rows.select(ROW, "conversation_history").explode("conversation_history")
        entries = entries.drop_nulls().unnest("conversation_history")
        turns = _rankings_by_turn(entries)
        other_columns = rows.drop("conversation_history")
        rankings = turns.join(other_columns, on=ROW, maintain_order="left")
        rankings = rankings.with_columns(
            add_to_extra("turn", pl.col("turn").cast(pl.String)),
            annotator=pl.col("user_id").cast(pl.String),
        )
        # Rankings are identified by row number: each turn gets a temporary one.
        numbered = rankings.with_columns(_row=ROW).with_columns(
            pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW)
        )
        pairs = pairs_from_rankings(numbered, options).with_columns(pl.col("_row").alias(ROW))
        if ERROR in pairs.columns:
            pairs = pairs.filter(pl.col(ERROR).is_null())
        return report_unused_rows(pairs, rows, pairs, _NO_TURN)


def _rankings_by_turn(entries: pl.DataFrame) -> pl.DataFrame:
    """Return one row a turn: the prompt before its answers, and the answers as `RANKED`."""
    # What was said goes on with the answer that was chosen; the others end there.
    is_in_history = (pl.col("role") == "user") | pl.col("if_chosen").fill_null(False)
    role = pl.when(pl.col("role") == "user").then(pl.lit("user")).otherwise(pl.lit("assistant"))
    message = message_of(role, pl.col("content"))
    answer = pl.struct(text=pl.col("content"), score=pl.col("score"))
    is_answer = pl.col("role") != "user"
    turns = entries.group_by(ROW, "turn", maintain_order=True).agg(
        _spoken=message.filter(is_in_history),
        _asked=message.filter(~is_answer),
        _ranked=answer.filter(is_answer),
    )
    turns = turns.filter(pl.col("_ranked").list.len() > 1).sort(ROW, "turn")
    # The prompt of a turn: all that was said in turns before it, and its own question.
    history_messages = entries.filter(is_in_history).select(ROW, _turn="turn", _message=message)
    history = (
        turns.select(ROW, "turn")
        .join(history_messages, on=ROW, maintain_order="left_right")
        .filter(
            (pl.col("_turn") < pl.col("turn"))
            | (
                (pl.col("_turn") == pl.col("turn"))
                & (pl.col("_message").struct.field("role") == "user")
            )
        )
        .group_by(ROW, "turn", maintain_order=True)
        .agg(prompt="_message")
    )
    joined = turns.join(history, on=[ROW, "turn"], how="left", maintain_order="left")
    prompt = pl.col("prompt").cast(MESSAGES)
    return joined.select(ROW, "turn", prompt=prompt, _ranked=pl.col("_ranked").cast(RANKED))
