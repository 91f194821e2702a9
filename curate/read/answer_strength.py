"""Computes the strength of a preference from the scores of both answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curate.data.answer_scores import SCORE_WORDS, gap_columns, score_gap
from curate.data.json_fields import SLOT_KEY, extra_value
from curate.read.column_guess import slot_score_columns
from curate.read.messages import is_message

if TYPE_CHECKING:
    from curate.read.formats.base import RowSample


class AnswerStrength:
    """Fills `strength` with the gap of the scores in `extra`, over the blocks of a reading.

    The gap is signed: it is below 0 if the rejected answer has the better score. Scores belong to
    the chosen and the rejected answer (`score_chosen`, `score_rejected`), or to two slots with a
    label (`score_a`, `score_b`). A strength that the format itself reads stays.
    """

    def __init__(self) -> None:
        self._keys: tuple[str, ...] = ()
        self._message_key: str | None = None
        self._by_slot = False
        self._filled = 0

    def find_columns(self, sample: RowSample) -> None:
        """Choose the columns of scores by the first rows."""
        names = list(dict.fromkeys(key for row in sample for key in row))
        self._keys = gap_columns(names)
        if not self._keys:
            self._keys = slot_score_columns(sample, names) or ()
            self._by_slot = bool(self._keys)
        if not self._keys:
            self._message_key = _score_in_messages(sample)

    def fill(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return the pairs of a block with the gap as their strength."""
        if not self._keys and self._message_key is None:
            return pairs
        gap = score_gap(self._keys) if self._keys else _gap_in_messages(str(self._message_key))
        if self._by_slot:
            slot = extra_value(SLOT_KEY)
            # Scores of slots are of the first and the second answer, whichever won.
            gap = pl.when(slot == "1").then(gap).when(slot == "2").then(-gap)
        filled = pairs.with_columns(strength=pl.coalesce("strength", gap.cast(pl.Float32)))
        self._filled += pairs["strength"].null_count() - filled["strength"].null_count()
        return filled

    def notes(self) -> tuple[str, ...]:
        """Return the notes for the user."""
        if not self._filled:
            return ()
        if self._message_key is not None:
            key = self._message_key
            return (
                f"the strength of {self._filled:,} pairs is the gap of '{key}' in the messages",
            )
        names = " less ".join(f"'{name}'" for name in self._keys)
        sign = ", signed for the preferred answer" if self._by_slot else ""
        return (f"the strength of {self._filled:,} pairs is {names}{sign}",)


def _score_in_messages(sample: RowSample) -> str | None:
    """Return the key of a number that messages have and that is called a score; None without."""
    for row in sample:
        for value in row.values():
            message = value[-1] if isinstance(value, list) and value else value
            if is_message(message):
                numbers = (k for k, v in message.items() if type(v) in (int, float))
                key = next((k for k in numbers if k in SCORE_WORDS), None)
                if key is not None:
                    return str(key)
    return None


def _gap_in_messages(key: str) -> pl.Expr:
    """Return the number in the last message of the chosen answer less that of the rejected one."""
    last = (pl.col(side).list.last().struct.field("more") for side in ("chosen", "rejected"))
    chosen, rejected = (
        more.str.json_path_match(f"$['{key}']").cast(pl.Float64, strict=False) for more in last
    )
    gap = chosen - rejected
    return pl.when(gap.is_finite()).then(gap)
