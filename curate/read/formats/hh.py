"""Anthropic HH: chosen and rejected are each a complete dialogue in one text."""

from __future__ import annotations

import polars as pl

from curate.data.table import MESSAGES, plain_message
from curate.read.formats.base import (
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    as_turn,
    has_columns,
    share_of_rows,
)
from curate.read.formats.trl import split_shared_prompt

_SPEAKER_TAGS = ("\n\nHuman:", "\n\nAssistant:")
_SPLIT_CHARACTER = "\ue000"
"""A private-use character, to split at either speaker's mark in one pass."""


class AnthropicHH(Format):
    r"""`chosen` and `rejected` as `\n\nHuman: ...\n\nAssistant: ...` texts with a shared prefix.

    The prompt is the turns that both share; where the dialogues part before the last turn, the
    answers are all turns from there on.
    """

    name = "hh"
    side_suffixes = ("chosen", "rejected")
    summary = "Anthropic HH: chosen and rejected dialogues as text with Human: and Assistant: marks"
    text_columns = ("chosen", "rejected")
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether nearly all chosen texts begin with Human: and hold Assistant:."""
        if not has_columns(rows, "chosen", "rejected"):
            return False
        return share_of_rows(rows, lambda row: _is_dialogue(row.get("chosen"))) >= 0.9

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return dialogues as turns, split where chosen and rejected part."""
        parsed = rows.with_columns(parse_dialogue(c).alias(c) for c in ("chosen", "rejected"))
        return split_shared_prompt(parsed)


class HHPrompt(Format):
    r"""`prompt` as `\n\nHuman: ...\n\nAssistant:`, `chosen` and `rejected` as the last turn only.

    As Dahoas/rm-static and Dahoas/full-hh-rlhf.
    """

    name = "hh_prompt"
    side_suffixes = ("chosen", "rejected")
    summary = "HH with a prompt column: prompt as Human: and Assistant: dialogue, chosen, rejected"
    text_columns = ("prompt", "chosen", "rejected")
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether nearly all prompts are dialogues that wait for the assistant."""
        if not has_columns(rows, "prompt", "chosen", "rejected"):
            return False
        return share_of_rows(rows, lambda row: _ends_with_assistant(row.get("prompt"))) >= 0.9

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the dialogue as turns; of the space behind the last mark the answers are freed."""
        sides = ("chosen", "rejected")
        rows = rows.with_columns(pl.col(side).str.strip_prefix(" ") for side in sides)
        answers = {side: as_messages_column(rows, side, "assistant") for side in sides}
        return rows.with_columns(prompt=parse_open_dialogue("prompt"), **answers)


def parse_open_dialogue(column: str) -> pl.Expr:
    """Return a dialogue as turns, without the empty turn at its end that waits for the assistant.

    A text without a mark is what the user asks.
    """
    turns = parse_dialogue(column)
    ends_empty = turns.list.last().struct.field("content").str.strip_chars() == ""
    # Some rows of such files have a bare question.
    question = as_turn(column, "user")
    has_no_speaker = ~(pl.lit("\n\n") + pl.col(column).str.strip_chars_start()).str.contains_any(
        [*_SPEAKER_TAGS]
    )
    conversation = pl.when(ends_empty).then(turns.list.head(turns.list.len() - 1)).otherwise(turns)
    return pl.when(has_no_speaker).then(question).otherwise(conversation)


def _ends_with_assistant(text: object) -> bool:
    return _is_dialogue(text) and str(text).rstrip().endswith("\n\nAssistant:")


def _is_dialogue(text: object) -> bool:
    return isinstance(text, str) and text.lstrip().startswith("Human:") and "\n\nAssistant:" in text


def parse_dialogue(column: str) -> pl.Expr:
    """Return a text with Human: and Assistant: tags as turns; text before them is the system's."""
    marked = (
        (pl.lit("\n\n") + pl.col(column).str.strip_chars_start())
        .str.replace_all(_SPEAKER_TAGS[0], f"{_SPLIT_CHARACTER}h", literal=True)
        .str.replace_all(_SPEAKER_TAGS[1], f"{_SPLIT_CHARACTER}a", literal=True)
    )
    role = pl.when(pl.element().str.starts_with("h")).then(pl.lit("user"))
    # One space belongs to the mark; the rest of the white space is the speaker's.
    content = pl.element().str.slice(1).str.strip_prefix(" ")
    turn = plain_message(role.otherwise(pl.lit("assistant")), content)
    pieces = marked.str.split(_SPLIT_CHARACTER)
    turns = pieces.list.slice(1).list.eval(turn).cast(MESSAGES)
    # Nearly always empty. A text without any tag is no dialogue and has no speaker.
    leading_text = pieces.list.first().str.strip_chars()
    system_turn = pl.concat_list(plain_message(pl.lit("system"), leading_text)).cast(MESSAGES)
    has_system_text = (leading_text != "") & (pieces.list.len() > 1)
    return pl.when(has_system_text).then(pl.concat_list(system_turn, turns)).otherwise(turns)
