"""Ids of contents that occur several times, by what else their rows hold and not by their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.data.hashes import row_digests
from curate.data.table import BATCH_ROWS, ID_CHARACTERS, batches, rows_at
from curate.store.workspace import Workspace


def numbered_by_content(
    frame: pl.DataFrame,
    fixed: NDArray[np.bool_] | None,
    workspace: Workspace,
    path: Path | None = None,
) -> tuple[pl.DataFrame, Path | None]:
    """Return the pair table with the ids of repeated contents in the order of their rows' hashes.

    Rows whose prompt, answers and annotator are the same share a content hash, and are told apart
    by `-1`, `-2`... Given in the order of the file, these would change places with the rows. Here
    they go by a hash of the whole row (label, tie, strength, source, extra...); rows that are the
    same in everything go by their order, which then makes no difference.

    Args:
        frame: the pair table, ids given by `PairIds` in the order of the rows.
        fixed: (rows,) whether the data itself gave an id, which stays; None: no row's.
        workspace: gives room to the table where an id changes.
        path: the table's file, removed where another one takes its place.

    Returns:
        The table, and its file where it lies in one. Only rows of repeated contents are held.
    """
    rows, ids = _changed_ids(frame, fixed)
    if not len(rows):
        return frame, path
    with closing(workspace.spool("numbered_pairs")) as spool:
        for part in _with_ids(frame, rows, ids):
            spool.write(part)
        numbered = spool.frame()
    if path is not None:
        path.unlink()
    return numbered, spool.path


def _with_ids(
    frame: pl.DataFrame, rows: NDArray[np.int64], ids: pl.Series
) -> Iterator[pl.DataFrame]:
    """The table in batches, with these ids at these rows, which ascend."""
    for batch in batches(len(frame), BATCH_ROWS):
        part = frame[batch]
        own = slice(*np.searchsorted(rows, [batch.start, batch.stop]))
        column = part["pair_id"].clone().scatter(rows[own] - batch.start, ids[own])
        yield part.with_columns(pair_id=column)


def _changed_ids(
    frame: pl.DataFrame, fixed: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], pl.Series]:
    """Rows, ascending, whose ids change, and the new ids."""
    repeated = _repeated_rows(frame["pair_id"], fixed)
    ids = frame["pair_id"].gather(repeated)
    digests = _digests(frame, repeated)
    table = pl.DataFrame({"row": repeated, "id": ids, "digest": digests})
    table = table.with_columns(base=pl.col("id").str.slice(0, ID_CHARACTERS))
    # Shorter numbers first: `-10` goes after `-9`.
    by_number = table.sort("base", pl.col("id").str.len_bytes(), "id")
    by_content = table.sort("base", "digest", "row")
    moved = pl.DataFrame({"row": by_content["row"], "old": by_content["id"], "id": by_number["id"]})
    moved = moved.filter(pl.col("old") != pl.col("id")).sort("row")
    return moved["row"].to_numpy(), moved["id"]


def _repeated_rows(ids: pl.Series, fixed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """Rows with made ids of contents of which one has a number, ascending."""

    def over_batches() -> Iterator[tuple[int, pl.DataFrame]]:
        for batch in batches(len(ids), BATCH_ROWS):
            table = ids[batch].alias("id").to_frame().with_row_index("row")
            if fixed is not None:
                table = table.filter(~pl.Series(fixed[batch]))
            yield batch.start, table

    numbered = pl.col("id").str.len_bytes() > ID_CHARACTERS
    base = pl.col("id").str.slice(0, ID_CHARACTERS)
    bases = _concatenated(table.filter(numbered).select(base)["id"] for _, table in over_batches())
    if not len(bases):
        return np.zeros(0, dtype=np.int64)
    repeated = bases.unique().implode()
    rows = [
        start + table.filter(base.is_in(repeated))["row"].to_numpy().astype(np.int64)
        for start, table in over_batches()
    ]
    return np.concatenate(rows)


def _concatenated(columns: Iterable[pl.Series]) -> pl.Series:
    return pl.concat([pl.Series("id", [], dtype=pl.String), *columns])


def _digests(frame: pl.DataFrame, rows: NDArray[np.int64]) -> pl.Series:
    """Hash of everything but the id of each of these rows, a batch at a time."""
    digests: list[bytes] = []
    for batch in batches(len(rows), BATCH_ROWS):
        digests += row_digests(rows_at(frame, rows[batch]).drop("pair_id"))
    return pl.Series(digests, dtype=pl.Binary)
