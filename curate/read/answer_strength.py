"""Computes the strength of a preference from the scores of both answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curate.data.answer_scores import gap_columns, score_gap
from curate.data.json_fields import SLOT_KEY, extra_value
from curate.read.column_guess import slot_score_columns

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
        self._by_slot = False
        self._filled = 0

    def find_columns(self, sample: RowSample) -> None:
        """Choose the columns of scores by the first rows."""
        names = list(dict.fromkeys(key for row in sample for key in row))
        self._keys = gap_columns(names)
        if not self._keys:
            self._keys = slot_score_columns(sample, names) or ()
            self._by_slot = bool(self._keys)

    def fill(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return the pairs of a block with the gap as their strength."""
        if not self._keys:
            return pairs
        gap = score_gap(self._keys)
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
        names = " less ".join(f"'{name}'" for name in self._keys)
        sign = ", signed for the preferred answer" if self._by_slot else ""
        return (f"the strength of {self._filled:,} pairs is {names}{sign}",)
