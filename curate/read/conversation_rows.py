"""Rows that hold a conversation, not a pair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from curate.read.embedded_json import parse_embedded_messages
from curate.read.messages import Turn, as_messages
from curate.read.raw_rows import prepend_system_message

if TYPE_CHECKING:
    from curate.read.raw_rows import PublishedRow, PublishedRows

CONVERSATION_COLUMNS = (
    "conversation",
    "conversations",
    "messages",
    "chat",
    "dialogue",
    "dialog",
    "turns",
)
"""Columns in which conversations are looked for, in this order."""


@dataclass(frozen=True)
class ConversationRow:
    """One row.

    Attributes:
        turns: its messages, None where they cannot be read.
        file: what reports call the file.
        row: in it, from 1.
        problem: why there are no messages.
    """

    turns: list[Turn] | None
    file: str
    row: int
    problem: str = ""


def conversation_rows(rows: PublishedRows) -> Iterator[ConversationRow]:
    """Yield the conversations of an input, row by row, each after the row's system text.

    Raises:
        CurateError: nothing is there, or none of the first rows has a column of conversations.
    """
    rows_with_conversations = rows.require_kind(
        lambda row: any(name in row for name in CONVERSATION_COLUMNS),
        "no column holds conversations",
        f"a list of messages as one of: {', '.join(CONVERSATION_COLUMNS)}",
    )
    return map(_read_conversation, rows_with_conversations)


def _read_conversation(raw: PublishedRow) -> ConversationRow:
    row = raw.values
    if row is None:
        return ConversationRow(None, raw.file, raw.number, raw.problem)
    name = next((n for n in CONVERSATION_COLUMNS if row.get(n) is not None), None)
    if name is None:
        return ConversationRow(None, raw.file, raw.number, "no conversation")
    turns, problem = as_messages(parse_embedded_messages(row[name]))
    if turns is None:
        return ConversationRow(None, raw.file, raw.number, f"{name} {problem}")
    conversation, problem = prepend_system_message(row, turns)
    return ConversationRow(None if problem else conversation, raw.file, raw.number, problem or "")
