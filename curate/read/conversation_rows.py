"""Rows that hold a conversation, and no pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.read.message_texts import unfolded
from curate.read.messages import Turn, as_messages
from curate.read.pairs import place_of

if TYPE_CHECKING:
    from curate.read.input import InputConfig

NAMES = ("conversation", "conversations", "messages", "chat", "dialogue", "dialog", "turns")
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


def conversation_rows(settings: InputConfig) -> Iterator[ConversationRow]:
    """The conversations of an input, row by row; `limit` counts rows.

    Raises:
        CurateError: nothing is there, or the first row has no column of conversations.
    """
    count = 0
    for source in place_of(settings):
        for block in source.blocks():
            rows = block.sample(len(block))
            for number, row in zip(block.numbers, rows, strict=True):
                if not count:
                    _check(row, source.label)
                yield _read(row, source.label, int(number))
                count += 1
                if settings.limit is not None and count >= settings.limit:
                    return
            for number, why in block.broken.items():
                yield ConversationRow(None, source.label, number, why)


def _check(row: Mapping[str, Any], label: str) -> None:
    if not any(name in row for name in NAMES):
        raise CurateError(
            "no column holds conversations",
            where=label,
            found=", ".join(list(row)[:12]) or "no column",
            expected=f"a list of messages as one of: {', '.join(NAMES)}",
        )


def _read(row: Mapping[str, Any], label: str, number: int) -> ConversationRow:
    name = next((n for n in NAMES if row.get(n) is not None), None)
    if name is None:
        return ConversationRow(None, label, number, "no conversation")
    turns, problem = as_messages(unfolded(row[name]))
    return ConversationRow(turns, label, number, f"{name} {problem}" if problem else "")
