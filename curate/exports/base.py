"""The contract of an export."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import polars as pl

from curate.pairs import PAIR_COLUMNS

WEIGHT = "weight"
"""Training weight of a pair, a column of the kept pairs where a filter gave one."""


def carried(pairs: pl.DataFrame) -> list[str]:
    """Columns besides the pair table's own, which the user wants in the shards."""
    return [name for name in pairs.columns if name not in PAIR_COLUMNS and name != WEIGHT]


class Export(ABC):
    """Turns kept pairs into the columns that a trainer reads.

    `reserved` are the columns that it makes besides those of the pair table.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    reserved: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The kept pairs in the trainer's columns, in order, then those of `carried`."""

    def files(self) -> dict[str, Any]:
        """JSON files that the trainer wants in the run's folder, by name."""
        return {}

    def warnings(self, pairs: pl.DataFrame) -> list[str]:
        """What the trainer cannot hold of these pairs."""
        ties = int(pairs["is_tie"].sum())
        if ties == 0:
            return []
        return [
            f"{ties} of {len(pairs)} kept pairs are ties, which the format '{self.name}' cannot "
            "mark: a trainer would take them as votes; drop them with the filter 'ties'"
        ]
