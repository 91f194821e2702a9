"""ms-swift's preference data: a conversation, and another answer to its last question."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from curate.data.table import MESSAGES, messages_series
from curate.read.column_names import SYSTEM
from curate.read.formats.base import (
    ERROR,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
    prepend_system_turn,
)
from curate.read.formats.llamafactory import HISTORY, concatenate_messages, parse_history
from curate.read.formats.named_answers import CHOSEN_RESPONSE
from curate.read.formats.trl import split_shared_prompt


class SwiftFormat(Format):
    """`messages`, whose last answer is preferred, and `rejected_response` or `rejected_messages`.

    With `rejected_response` the prompt ends with the last user's turn. With `rejected_messages`, a
    whole conversation, it is what both conversations share at the start.
    """

    name = "swift"
    summary = "ms-swift: messages with rejected_response or rejected_messages"
    text_columns = ("messages", "rejected_response", "rejected_messages", *SYSTEM)
    priority = 11

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are a conversation and a rejected answer or conversation."""
        has_rejected = any(has_columns(rows, c) for c in ("rejected_response", "rejected_messages"))
        # With `chosen_response` the conversation is only the prompt.
        return (
            has_columns(rows, "messages")
            and has_rejected
            and not has_columns(rows, CHOSEN_RESPONSE)
        )

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs of either form; a row may have one of them."""
        rows = rows.with_columns(
            messages=as_messages_column(rows, "messages", "user"),
            rejected_messages=as_messages_column(rows, "rejected_messages", "user"),
            rejected_response=as_messages_column(rows, "rejected_response", "assistant"),
        )
        has_conversation = pl.col("rejected_messages").is_not_null()
        batches = [
            _split_by_answer(rows.filter(~has_conversation)),
            _split_by_conversation(rows.filter(has_conversation)),
        ]
        pairs = pl.concat([p for p in batches if len(p)] or batches[:1], how="diagonal").sort(ROW)
        return pairs.with_columns(prompt=prepend_system_turn(pairs, pl.col("prompt")))


class SwiftQueryFormat(Format):
    """`query`, `response` and `rejected_response`, with `history` and `system`: ms-swift before 3.

    The history is a list of [question, answer], or of messages.
    """

    name = "swift_query"
    summary = "ms-swift before 3: query, response, rejected_response, history, system"
    text_columns = ("query", "response", "rejected_response", *SYSTEM)
    json_columns: ClassVar[tuple[str, ...]] = (HISTORY,)
    priority = 11

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are a query, a response and a rejected one."""
        return has_columns(rows, "query", "response", "rejected_response")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the query behind system text and history."""
        earlier = [parse_history(text) for text in rows[HISTORY]]
        rows = rows.with_columns(
            pl.Series(ERROR, [problem for _, problem in earlier], dtype=pl.String),
            messages_series("_earlier", [turns for turns, _ in earlier]),
        )
        question = concatenate_messages(
            pl.col("_earlier"), as_messages_column(rows, "query", "user")
        )
        return rows.with_columns(
            prompt=prepend_system_turn(rows, question),
            chosen=as_messages_column(rows, "response", "assistant"),
            rejected=as_messages_column(rows, "rejected_response", "assistant"),
        )


def _split_by_answer(rows: pl.DataFrame) -> pl.DataFrame:
    is_user = pl.element().struct.field("role") == "user"
    # The last user's turn, counted from the end: the first in the reversed list.
    after = pl.col("messages").list.reverse().list.eval(is_user).list.arg_max()
    has_question = pl.col("messages").list.eval(is_user).list.any().fill_null(False)
    start = pl.col("messages").list.len() - after
    problem = "the conversation has no user's turn before the answers"
    return rows.with_columns(
        prompt=pl.when(has_question).then(pl.col("messages").list.head(start)),
        chosen=pl.when(has_question).then(pl.col("messages").list.slice(start)),
        rejected=pl.col("rejected_response"),
        **{ERROR: pl.when(~has_question).then(pl.lit(problem))},
    )


def _split_by_conversation(rows: pl.DataFrame) -> pl.DataFrame:
    if not len(rows):
        return rows.with_columns(
            pl.lit(None, dtype=MESSAGES).alias(c) for c in ("prompt", "chosen")
        )
    return split_shared_prompt(rows.with_columns(chosen="messages", rejected="rejected_messages"))
