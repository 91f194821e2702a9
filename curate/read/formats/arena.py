"""Arenas: two conversations with the same questions, judged by a visitor."""

from __future__ import annotations

import polars as pl

from curate.data.json_fields import decode_json
from curate.data.table import MESSAGES, messages_series, plain_message
from curate.read.embedded_json import parse_messages
from curate.read.formats.base import (
    ERROR,
    NO_PAIR,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
)
from curate.read.formats.slots import assign_winner, label_text
from curate.read.formats.trl import split_shared_prompt
from curate.read.messages import as_messages

_WINNERS = {
    "model_a": 1,
    "model_b": 2,
    "tie": 0,
    "tie (bothbad)": 0,
    "both_bad": 0,
    "tie (both bad)": 0,
}
_ONE_TEXT = r'^\{"content":\[\{"type":"text","text":"(?:[^"\\]|\\.)*"\}\]\}$'
"""What else is said of a message whose content is a single text part: nothing."""
_NO_VOTE = "no vote was cast"
_UNEVEN = "there are more questions than answers, or fewer: they cannot be matched"
_NULL_ANSWER = "conversations contain null answers: they are read as empty texts"
_TRUE = ("1", "true")
_JUDGES = ("judge", "judge_hash")


class ChatbotArena(Format):
    """`conversation_a`, `conversation_b`, `winner` (model_a, model_b, tie, tie (bothbad)), `judge`.

    As lmsys/chatbot_arena_conversations and lmarena-ai's arena-human-preference sets (100k, 140k).
    The prompt is what both conversations share, so a second question belongs to the answers; both
    kinds of tie are ties, and `winner` stays in `extra`.
    """

    name = "arena"
    side_suffixes = ("_a", "_b")
    summary = "Chatbot Arena: conversation_a, conversation_b, winner, judge"
    text_columns = ("conversation_a", "conversation_b")
    value_columns = ("winner", *_JUDGES)
    keep_in_extra = ("winner",)
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether both conversations and the winner are there."""
        return has_columns(rows, *self.text_columns, "winner")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the winner's turns as chosen, split where the conversations part."""
        first_column, second_column = self.text_columns
        winner = pl.col("winner").cast(pl.String)
        # A battle without a vote is sound and makes no pair; it is listed, and stops nothing.
        without_vote = rows.filter(winner.is_null()).select(ROW, pl.lit(_NO_VOTE).alias(NO_PAIR))
        rows = rows.filter(winner.is_not_null()).with_columns(
            _first=_parse_conversation(rows, first_column),
            _second=_parse_conversation(rows, second_column),
            annotator=pl.coalesce(pl.col(*_JUDGES).cast(pl.String)),
        )
        number = winner.replace_strict(_WINNERS, default=None, return_dtype=pl.Int64)
        return pl.concat([_split_conversations(rows, number), without_vote], how="diagonal").sort(
            ROW
        )


class SearchArena(ChatbotArena):
    """lmarena-ai/search-arena-24k: `messages_a`, `messages_b`, `winner`; null where no vote is."""

    name = "search_arena"
    summary = "Search Arena: messages_a, messages_b, winner"
    text_columns = ("messages_a", "messages_b")


class ArenaTexts(Format):
    """lmarena-ai/arena-human-preference-55k: turns as JSON lists of texts.

    `prompt`, `response_a`, `response_b`, and `winner_model_a`, `winner_model_b`, `winner_tie`, one
    of which is 1.
    """

    name = "arena_55k"
    side_suffixes = ("_a", "_b")
    summary = "Arena 55k: prompt, response_a, response_b (JSON lists), winner_model_a, ..."
    text_columns = ("prompt", "response_a", "response_b")
    value_columns = ("winner_model_a", "winner_model_b", "winner_tie")
    keep_in_extra = value_columns
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether both responses and the three flags are there."""
        return has_columns(rows, *self.text_columns, *self.value_columns)

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the winner's turns as chosen, split where the conversations part."""
        lists = pl.DataFrame(
            [decode_json(rows[c], pl.List(pl.String))[0] for c in self.text_columns]
        )
        sizes = [pl.col(c).list.len() for c in self.text_columns]
        uneven = lists.select(u=(sizes[0] != sizes[1]) | (sizes[0] != sizes[2]))["u"]
        uneven = uneven.fill_null(False)
        # Read as empty texts: who compared the answers saw nothing there.
        has_null_answer = lists.select(
            n=pl.any_horizontal(pl.col(c).list.contains(None) for c in self.text_columns[1:])
        )["n"]
        options.count_note(_NULL_ANSWER, int(has_null_answer.sum() or 0))
        first_conversation, second_conversation = (
            _interleave_turns(lists, f"response_{slot}") for slot in "ab"
        )
        rows = rows.drop("prompt").with_columns(
            _first=first_conversation, _second=second_conversation
        )
        # Numbers, bools or texts, by the file that holds them.
        flags = [label_text(c).str.to_lowercase().is_in(_TRUE) for c in self.value_columns]
        one = pl.sum_horizontal(flags) == 1
        slots = zip(flags, (1, 2, 0), strict=True)
        number = pl.when(one).then(pl.coalesce(pl.when(f).then(slot) for f, slot in slots))
        wrong = pl.when(uneven).then(pl.lit(_UNEVEN))
        pairs = _split_conversations(rows, number)
        return pairs.with_columns(pl.coalesce(wrong, ERROR).alias(ERROR))


def _split_conversations(rows: pl.DataFrame, winner: pl.Expr) -> pl.DataFrame:
    """Split the conversations `_first` and `_second` into prompt and answers, by the winner."""
    # Both conversations begin alike: what they share is the prompt.
    placed = assign_winner(rows, winner, ", ".join(_WINNERS)).rename({ERROR: "_label_error"})
    split = split_shared_prompt(placed)
    return split.with_columns(pl.coalesce("_label_error", ERROR).alias(ERROR))


def _parse_conversation(rows: pl.DataFrame, column: str) -> pl.Expr:
    """Return a conversation as messages, also where it is stored as JSON text.

    Arena 140k stores each text as a list of one part: that is the text, which any template takes.
    """
    if rows.schema[column] == pl.String:
        parsed = (None if text is None else parse_messages(text) for text in rows[column])
        return pl.lit(messages_series(column, (as_messages(p)[0] if p else None for p in parsed)))
    element = pl.element().struct
    other_content = pl.when(~element.field("more").str.contains(_ONE_TEXT)).then(
        element.field("more")
    )
    turn = pl.struct(
        role=element.field("role"), content=element.field("content"), more=other_content
    )
    if rows.schema[column] == MESSAGES:
        return pl.col(column).list.eval(turn).cast(MESSAGES)
    return as_messages_column(rows, column, "assistant")


def _interleave_turns(lists: pl.DataFrame, response: str) -> pl.Series:
    """Return questions and answers as conversations; null if their lists differ in length."""
    lists = lists.select("prompt", response).with_row_index("n")
    sizes = [pl.col(c).list.len() for c in ("prompt", response)]
    even_lists = lists.drop_nulls().filter(sizes[0] == sizes[1], sizes[0] > 0)
    flat = even_lists.explode("prompt", response)
    turn = [
        plain_message(role, pl.col(column).fill_null(""))
        for column, role in (("prompt", "user"), (response, "assistant"))
    ]
    by_conversation = flat.drop_nulls("prompt").group_by("n", maintain_order=True)
    conversation = by_conversation.agg(talk=pl.concat_list(turn).explode())
    joined = lists.select("n").join(conversation, on="n", how="left", maintain_order="left")
    return joined["talk"].cast(MESSAGES)
