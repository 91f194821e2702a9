"""Ids of contents that occur several times go by what else their rows hold, not by their order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.attachments import MEDIA_COLUMNS, nonempty_attachments
from curate.data.table import BATCH_ROWS, ID_CHARACTERS, batch_slices, gather_pairs, text_keys
from curate.read.row_content import extra_keys
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREFERRED_FIRST = "preferred_first"
"""Whether the chosen answer is the first of both in the order of their texts."""
LABEL_COLUMNS = ("pair_id", "is_tie", "strength", "source", "extra")
"""Columns of the pair table that tell repeated contents apart, beside the order of the answers."""

_BASE = "base"
# Rows whose media are hashed at a time: they may be megabytes each.
_MEDIA_ROWS = 64


def number_by_content(
    frame: pl.DataFrame,
    published_mask: NDArray[np.bool_],
    origins: pl.DataFrame,
    scratch: ScratchSpace,
    path: Path | None = None,
) -> tuple[pl.DataFrame, Path | None]:
    """Return the pair table with the ids of repeated contents in the order of their rows' content.

    Rows whose prompt, answers and annotator are the same share a content hash, and are told apart
    by `-1`, `-2`... `PairIds` gives these numbers in the order of the rows, so they would change
    places when rows move. Here they go by label, tie, strength, source and `extra`. Rows that are
    the same in all of these go by their order, which then makes no difference.

    Args:
        frame: the pair table, or `label_columns` of it.
        published_mask: (rows,) whether the data gave the id, which then stays.
        origins: file of each pair, or no rows: the name of a file is no content.
        scratch: where the table is stored if an id changes.
        path: the table's file, which is removed where another one takes its place.

    Returns:
        The table, and the file that holds it, if any.
    """
    rows, ids = _changed_ids(frame, published_mask, origins)
    if not len(rows):
        return frame, path
    with closing(scratch.frame_writer("numbered_pairs")) as spool:
        for batch in batch_slices(len(frame), BATCH_ROWS):
            spool.write(_with_ids(frame[batch], batch, rows, ids))
        numbered = spool.frame()
    if path is not None:
        path.unlink()
    return numbered, spool.path


def label_columns(pairs: pl.DataFrame) -> pl.DataFrame:
    """The part of a pair table that `number_by_content` needs: ids and labels without texts."""
    return pairs.select(*LABEL_COLUMNS, _preferred_first(pairs))


def _with_ids(
    part: pl.DataFrame, batch: slice, rows: NDArray[np.int64], ids: pl.Series
) -> pl.DataFrame:
    """One batch of the table with these ids at these rows of the table, which ascend."""
    span = slice(*np.searchsorted(rows, [batch.start, batch.stop]))
    return part.with_columns(part["pair_id"].scatter(rows[span] - batch.start, ids[span]))


def _changed_ids(
    frame: pl.DataFrame, published_mask: NDArray[np.bool_], origins: pl.DataFrame
) -> tuple[NDArray[np.int64], pl.Series]:
    """Rows, ascending, whose ids change, and their new ids."""
    rows = _repeated_rows(frame["pair_id"], published_mask)
    if not len(rows):
        return rows, pl.Series([], dtype=pl.String)
    content = _content(frame, rows, origins)
    # Shorter numbers first: `-10` goes after `-9`.
    by_number = content.sort(_BASE, pl.col("pair_id").str.len_bytes(), "pair_id")
    by_content = content.sort(_BASE, pl.exclude("pair_id", "row", _BASE), "row")
    moves = by_content.select("row", "pair_id", new=by_number["pair_id"])
    moves = moves.filter(pl.col("pair_id") != pl.col("new")).sort("row")
    return moves["row"].to_numpy(), moves["new"]


def _repeated_rows(ids: pl.Series, published_mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows, ascending, with made ids of contents of which a row has a number."""
    is_numbered = pl.col("pair_id").str.len_bytes() > ID_CHARACTERS
    base = pl.col("pair_id").str.slice(0, ID_CHARACTERS)

    def made_ids() -> Iterator[pl.DataFrame]:
        for batch in batch_slices(len(ids), BATCH_ROWS):
            table = ids[batch].to_frame().with_row_index("row", offset=batch.start)
            yield table.filter(~pl.Series(published_mask[batch]))

    bases = [table.filter(is_numbered).select(base)["pair_id"] for table in made_ids()]
    repeated = pl.concat(bases).unique() if bases else ids.clear()
    if not len(repeated):
        return np.zeros(0, dtype=np.int64)
    rows = [table.filter(base.is_in(repeated.implode()))["row"] for table in made_ids()]
    return pl.concat(rows).to_numpy().astype(np.int64)


def _content(frame: pl.DataFrame, rows: NDArray[np.int64], origins: pl.DataFrame) -> pl.DataFrame:
    """Id, content hash and number of these rows, and what their content is sorted by."""
    size = _MEDIA_ROWS if set(nonempty_attachments(frame)) & set(MEDIA_COLUMNS) else BATCH_ROWS
    parts = []
    for batch in batch_slices(len(rows), size):
        part = gather_pairs(frame, rows[batch])
        if PREFERRED_FIRST not in part.columns:
            part = label_columns(part)
        if len(origins):
            files = gather_pairs(origins, rows[batch])["file"]
            part = part.with_columns(source=named_source(files))
        parts.append(part)
    content = pl.concat(parts).select(
        pl.col("pair_id").str.slice(0, ID_CHARACTERS).alias(_BASE),
        "pair_id",
        PREFERRED_FIRST,
        "is_tie",
        "strength",
        "source",
        "extra",
        row=pl.Series(rows),
    )
    return _with_extra_keys(content)


def _with_extra_keys(content: pl.DataFrame) -> pl.DataFrame:
    """The content with hashes in the place of `extra`, which only rows that need it have."""
    labels = [_BASE, PREFERRED_FIRST, "is_tie", "strength", "source"]
    # Of exact copies, which are many in some sets, no JSON is parsed.
    digest = pl.col("extra").hash()
    needed = content.select(n=(digest.min() != digest.max()).over(labels))["n"].arg_true()
    keys = [extra_keys(extra) for extra in content["extra"].gather(needed)]
    columns = {
        name: pl.repeat(None, len(content), dtype=pl.Binary, eager=True).scatter(needed, values)
        for name, values in (
            ("across_forms", pl.Series([key.across_forms for key in keys], dtype=pl.Binary)),
            ("exact", pl.Series([key.exact for key in keys], dtype=pl.Binary)),
        )
    }
    return content.drop("extra").with_columns(**columns)


def named_source(files: pl.Series) -> pl.Expr:
    """The `source` that the data names, null where only the file stands for it."""
    by_data = pl.col("source").ne_missing(files) & pl.col("source").ne("")
    return pl.when(by_data).then("source")


def _preferred_first(pairs: pl.DataFrame) -> pl.Series:
    keys = text_keys(pairs)
    return (keys["chosen"] <= keys["rejected"]).alias(PREFERRED_FIRST)
