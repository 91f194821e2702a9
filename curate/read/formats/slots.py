"""Two answers in numbered slots and a label that names the better one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import polars as pl

from curate.data.json_fields import SLOT_KEY, with_extra_key
from curate.read.formats.base import (
    ERROR,
    EXTRA,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
)

SECOND, TIE = 2, 0
_INTEGER_AS_FLOAT = r"^(-?\d+)\.0+$"
"""An integer that is written as a float."""
_MAX_LABEL_LENGTH = 40


class SlotFormat(Format):
    """A prompt, two answers and a label that says which is better: subclasses only declare them.

    Attributes:
        prompt: column of the prompt.
        first: column of the first answer.
        second: column of the second answer.
        label: column of the label, an integer.
        winners: the better answer by the label: 1, 2, or 0 for a tie.
        expected: what a label may be, for the error of a row whose label is not.
        strength: column of the strength of the preference, if there is one.
        source: column of the pair's source, if there is one.
        excluding: columns by which rows are of another format.
    """

    prompt: ClassVar[str]
    first: ClassVar[str]
    second: ClassVar[str]
    label: ClassVar[str]
    winners: ClassVar[Mapping[int, int]]
    expected: ClassVar[str]
    strength: ClassVar[str | None] = None
    source: ClassVar[str | None] = None
    excluding: ClassVar[tuple[str, ...]] = ()
    priority = 10

    def __init_subclass__(cls) -> None:
        """Derive from the columns what a format declares of them."""
        cls.text_columns = (cls.prompt, cls.first, cls.second)
        cls.value_columns = tuple(c for c in (cls.label, cls.strength, cls.source) if c)
        cls.keep_in_extra = cls.value_columns
        if cls.side_suffixes is None:
            cls.side_suffixes = (cls.first, cls.second)
        super().__init_subclass__()

    def matches(self, rows: RowSample) -> bool:
        """Return whether the prompt, both answers and the label are there."""
        is_of_another = any(has_columns(rows, name) for name in self.excluding)
        return has_columns(rows, *self.text_columns, self.label) and not is_of_another

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the labelled answer as chosen; a tie keeps the order of the answers."""
        named = {
            "_first": as_messages_column(rows, self.first, "assistant"),
            "_second": as_messages_column(rows, self.second, "assistant"),
            "prompt": as_messages_column(rows, self.prompt, "user"),
        }
        if self.strength is not None:
            named["strength"] = pl.col(self.strength).cast(pl.Float32, strict=False)
        if self.source is not None:
            named["source"] = pl.col(self.source).cast(pl.String)
        label = integer_column(self.label)
        winner = label.replace_strict(dict(self.winners), default=None, return_dtype=pl.Int64)
        return assign_winner(rows.with_columns(**named), winner, self.expected)


def assign_winner(
    rows: pl.DataFrame, winner: pl.Expr, expected: str, label: pl.Expr | None = None
) -> pl.DataFrame:
    """Assign `_first` and `_second` to chosen and rejected by the winner of each row.

    Args:
        rows: frame with message columns `_first` and `_second`, `ROW` and `EXTRA`.
        winner: 1 or 2 for the better slot, 0 for a tie, null for a label that is none of these.
        expected: what a label may be, for the error of a row whose label is not.
        label: the published label, for that error.

    Returns:
        The frame with chosen, rejected, is_tie and `ERROR`, of which an earlier one stays; for a
        tie the slots keep their order. `extra` gains the key `chosen_slot`, so that position bias
        can be measured.
    """
    rows = rows.with_columns(_winner=winner.cast(pl.Int64))
    second_won = pl.col("_winner") == SECOND
    slot = pl.when(pl.col("_winner") == TIE).then(None).otherwise(pl.col("_winner"))
    rows = rows.with_columns(
        chosen=pl.when(second_won).then("_second").otherwise("_first"),
        rejected=pl.when(second_won).then("_first").otherwise("_second"),
        is_tie=(pl.col("_winner") == TIE).fill_null(False),
    )
    problem = f"names neither answer nor a tie; expected {expected}"
    subject = pl.lit("the label") if label is None else pl.format("the label '{}'", _shorten(label))
    error = pl.concat_str(subject, pl.lit(f" {problem}"))
    previous_errors = [ERROR] if ERROR in rows.columns else []
    errors = pl.coalesce(*previous_errors, pl.when(pl.col("_winner").is_null()).then(error))
    return rows.with_columns(
        errors.alias(ERROR),
        add_to_extra(SLOT_KEY, slot.cast(pl.String).fill_null("null")),
    ).drop("_first", "_second", "_winner")


def label_text(column: str) -> pl.Expr:
    """Return labels as text, integers without the `.0` of a column with nulls."""
    return pl.col(column).cast(pl.String).str.replace(_INTEGER_AS_FLOAT, "${1}")


def normalise_label(value: object) -> str:
    """Return the text that `label_text` makes of one value."""
    return (
        str(value).lower()
        if isinstance(value, bool)
        else re.sub(_INTEGER_AS_FLOAT, r"\1", str(value))
    )


def integer_column(column: str) -> pl.Expr:
    """Return a column of numbers, or their texts, as integers; null for any other, 1.5 included.

    A cast would cut 1.5 to 1, which is a label of the other answer.
    """
    number = pl.col(column).cast(pl.Float64, strict=False)
    return pl.when(number == number.round()).then(number).cast(pl.Int64, strict=False)


def _shorten(value: pl.Expr) -> pl.Expr:
    """Return a value as a short text."""
    return value.cast(pl.String).fill_null("null").str.slice(0, _MAX_LABEL_LENGTH)


def unpivot_votes(rows: pl.DataFrame, votes: Sequence[str], name: str) -> pl.DataFrame:
    """Return a row for each vote of a row, in order: `name` holds the column, `_vote` the vote.

    A vote that was not cast makes no row.
    """
    vote_columns = [v for v in votes if rows[v].null_count() < len(rows)]
    other_columns = [c for c in rows.columns if c not in votes]
    long = rows.unpivot(
        index=other_columns, on=vote_columns, variable_name=name, value_name="_vote"
    )
    return long.filter(pl.col("_vote").is_not_null()).sort(ROW, maintain_order=True)


def add_to_extra(key: str, json_value: pl.Expr) -> pl.Expr:
    """Return `EXTRA` with one more key; `json_value` is already JSON text."""
    return with_extra_key(EXTRA, key, json_value)


def list_to_extra(key: str, column: str) -> pl.Expr:
    """Return `EXTRA` with one more key, from a column of lists of numbers or JSON texts."""
    items = pl.col(column).cast(pl.List(pl.String)).list.join(",")
    return add_to_extra(key, pl.format("[{}]", items))
