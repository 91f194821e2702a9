"""How much of a Parquet file is read at a time."""

from __future__ import annotations

from pyarrow import parquet

from curate.data.row_parts import rows_that_fit


def rows_in_batch(metadata: parquet.FileMetaData, most: int) -> int:
    """Rows in a batch: at most `most`, fewer where rows are large (images in the table, say)."""
    groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
    size = sum(group.total_byte_size for group in groups)
    return rows_that_fit(int(metadata.num_rows), int(size), most)
