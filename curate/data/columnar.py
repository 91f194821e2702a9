"""The batch size for reading a Parquet file."""

from __future__ import annotations

from pyarrow import parquet

from curate.data.attachments import max_batch_rows


def parquet_batch_rows(metadata: parquet.FileMetaData, max_rows: int) -> int:
    """Return the number of rows in a batch: `max_rows`, or fewer if rows are large."""
    groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
    # Unpacked, as rows are in memory.
    size = sum(group.total_byte_size for group in groups)
    return max_batch_rows(int(metadata.num_rows), int(size), max_rows)
