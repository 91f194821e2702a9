"""What an experiment of a bench is about: a dataset, a pattern of flips and their rate."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from curate.data.json_result import JsonResult

AS_LABELLED = "as labelled"
"""The pattern of labels as the user gave them."""


@dataclass(frozen=True)
class Condition(JsonResult):
    """Experiments that differ only in their seed.

    Attributes:
        dataset: name of the dataset.
        pattern: flip pattern, or `AS_LABELLED`.
        rate: flip rate.
    """

    dataset: str
    pattern: str
    rate: float

    @property
    def is_as_labelled(self) -> bool:
        """Return whether the labels are tested as the user gave them."""
        return self.pattern == AS_LABELLED

    def rows(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of a table with the columns dataset, pattern and rate that belong to
        it.
        """
        return table.filter(
            pl.col("dataset") == self.dataset,
            pl.col("pattern") == self.pattern,
            pl.col("rate") == self.rate,
        )
