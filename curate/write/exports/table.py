"""The pair table itself."""

from __future__ import annotations

import polars as pl

from curate.data.found_parts import ALL_PARTS
from curate.data.table import PAIR_COLUMNS
from curate.write.exports.base import Export, KeptCounts, and_weight, carried


class PairTable(Export):
    """All columns of the pair table, ties and annotators included; curate reads it back."""

    name = "pairs"
    holds = frozenset(ALL_PARTS)
    carriers = ("column", "rows", "none")
    # curate reads it back, and knows the share.
    smooths = True
    summary = "curate's own pair table with every column; can be read back"

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The pair columns, weights if any, and what is carried."""
        others = [name for name in carried(pairs, self) if name not in PAIR_COLUMNS]
        return pairs.select(*PAIR_COLUMNS, *and_weight(pairs), *others)

    def warnings(self, kept: KeptCounts) -> list[str]:  # noqa: ARG002
        """Nothing is lost."""
        return []
