"""Anthropic HH: chosen and rejected each a whole dialogue in one text."""

from __future__ import annotations

import polars as pl

from curate.data.table import MESSAGES, message
from curate.read.formats.base import Format, RowSample, has_columns, share
from curate.read.formats.trl import split_shared

_MARK = "\ue000"
"""A private-use character, to split at either speaker's mark in one pass."""


class AnthropicHH(Format):
    r"""`chosen` and `rejected` as `\n\nHuman: ...\n\nAssistant: ...` texts with a shared prefix.

    The prompt is the turns that both share; where the dialogues part before the last turn, the
    answers are all turns from there on.
    """

    name = "hh"
    answers = ("chosen", "rejected")
    summary = "Anthropic HH: chosen and rejected dialogues as text with Human: and Assistant: marks"
    text_columns = ("chosen", "rejected")
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Whether nearly all chosen texts begin with Human: and hold Assistant:."""
        if not has_columns(rows, "chosen", "rejected"):
            return False
        return share(rows, lambda row: _isdialogue(row.get("chosen"))) >= 0.9

    def convert(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Dialogues as turns, split where chosen and rejected part."""
        parsed = rows.with_columns(dialogue(c).alias(c) for c in ("chosen", "rejected"))
        return split_shared(parsed)


def _isdialogue(text: object) -> bool:
    return isinstance(text, str) and text.lstrip().startswith("Human:") and "\n\nAssistant:" in text


def dialogue(column: str) -> pl.Expr:
    """A text with Human: and Assistant: marks as turns."""
    marked = (
        (pl.lit("\n\n") + pl.col(column).str.strip_chars_start())
        .str.replace_all("\n\nHuman:", f"{_MARK}h", literal=True)
        .str.replace_all("\n\nAssistant:", f"{_MARK}a", literal=True)
    )
    role = pl.when(pl.element().str.starts_with("h")).then(pl.lit("user"))
    # One space belongs to the mark; the rest of the white space is the speaker's.
    content = pl.element().str.slice(1).str.strip_prefix(" ")
    turn = message(role.otherwise(pl.lit("assistant")), content)
    # The text before the first mark is empty.
    return marked.str.split(_MARK).list.slice(1).list.eval(turn).cast(MESSAGES)
