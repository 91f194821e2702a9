"""The strength of a preference, where a file holds scores of both answers beside them."""

from __future__ import annotations

import polars as pl

from curate.data.answer_scores import gap_columns, score_gap


class AnswerStrength:
    """Fills `strength` with the gap of the scores in `extra`, over the blocks of a reading.

    The gap is signed: below 0 where the rejected answer has the better score. A strength that the
    format itself reads stays.
    """

    def __init__(self) -> None:
        self._keys: tuple[str, ...] = ()
        self._filled = 0

    def find_columns(self, names: list[str]) -> None:
        """Choose the columns of scores among those of the first rows."""
        self._keys = gap_columns(names)

    def fill(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The pairs of a block with the gap as their strength."""
        if not self._keys:
            return pairs
        gap = pl.coalesce("strength", score_gap(self._keys).cast(pl.Float32))
        filled = pairs.with_columns(strength=gap)
        self._filled += pairs["strength"].null_count() - filled["strength"].null_count()
        return filled

    def notes(self) -> tuple[str, ...]:
        """What the user should know."""
        if not self._filled:
            return ()
        names = " less ".join(f"'{name}'" for name in self._keys)
        return (f"the strength of {self._filled:,} pairs is {names}",)
