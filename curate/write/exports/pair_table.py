"""The pair table itself."""

from __future__ import annotations

import polars as pl

from curate.data.content_kinds import ALL_CONTENT_KINDS
from curate.data.table import PAIR_COLUMNS
from curate.write.exports.base import (
    Export,
    PairCounts,
    ShardSchema,
    extra_output_columns,
    weight_columns,
)


class PairTableExport(Export):
    """All columns of the pair table, ties and annotators included; curate reads it back."""

    name = "pairs"
    single_answers = True
    holds = frozenset(ALL_CONTENT_KINDS)
    carriers = ("column", "rows", "none")
    # curate reads it back, and knows the share.
    smooths = True
    summary = "curate's own pair table with every column; can be read back"

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return the pair columns, weights if any, and what is carried."""
        extra_columns = [
            name for name in extra_output_columns(pairs, schema) if name not in PAIR_COLUMNS
        ]
        return pairs.select(*PAIR_COLUMNS, *weight_columns(pairs), *extra_columns)

    def warnings(self, counts: PairCounts, schema: ShardSchema) -> list[str]:  # noqa: ARG002
        """Return no warnings: the pair table loses nothing."""
        return []
