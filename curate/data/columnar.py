"""How much of a Parquet file is read at a time."""

from __future__ import annotations

from pyarrow import parquet

_MOST_BYTES = 1 << 24
"""Unpacked bytes in one batch."""


def rows_in_batch(metadata: parquet.FileMetaData, most: int) -> int:
    """Rows in a batch: at most `most`, fewer where rows are large (images in the table, say)."""
    groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
    size = sum(group.total_byte_size for group in groups)
    return min(most, max(1, _MOST_BYTES * int(metadata.num_rows) // max(int(size), 1)))
