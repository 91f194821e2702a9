"""Notes for the user on rows that were skipped or repaired, and on empty files."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

MAX_NAMED_ROWS = 3
"""Rows that one line names; all are in `Pairs.rejected`."""


def rejected_rows_note(count: int, first_rows: pl.DataFrame) -> list[str]:
    """Return one line on rows without a pair that names the first; no line if there are none.

    Args:
        count: of all such rows.
        first: file, row and reason of the first few, at least.
    """
    if not count:
        return []
    rows = first_rows.head(MAX_NAMED_ROWS).iter_rows(named=True)
    named_rows = [f"{row['file']}, row {row['row']}: {row['reason']}" for row in rows]
    remainder = f"; and {count - len(named_rows):,} more" if count > len(named_rows) else ""
    return [f"{count:,} rows without a pair were skipped: {'; '.join(named_rows)}{remainder}"]


def replaced_text_note(rows: int) -> list[str]:
    """Return one line on rows with repaired texts; no line if there are none."""
    if not rows:
        return []
    return [
        f"{rows} rows contain invalid Unicode (lone surrogates, cut characters), which "
        "was replaced by U+FFFD"
    ]


def empty_files_note(files: Sequence[str]) -> list[str]:
    """Return one line on files without rows, which may be incomplete; no line if none."""
    if not files:
        return []
    named_files = ", ".join(files[:MAX_NAMED_ROWS]) + (
        ", ..." if len(files) > MAX_NAMED_ROWS else ""
    )
    return [f"files without rows: {len(files):,} ({named_files})"]
