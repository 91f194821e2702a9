"""Pairs that repeat or contradict each other, by their exact texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.attachments import ATTACHMENTS
from curate.data.hashes import content_keys, hash_128, vote_keys
from curate.data.table import iter_rows_in_batches

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TEXTS = ["prompt", "low", "high"]
_LABEL = ["prompt", "chosen", "rejected", "is_tie"]
_READ = ["prompt", "chosen", "rejected", "annotator", "is_tie", *ATTACHMENTS]


def repeated_rows(keys: pl.Series) -> NDArray[np.int64]:
    """Return the rows whose 64-bit key occurs more than once, ascending.

    Sorting the keys takes 17 bytes a row; a table of counts would take several times as much.
    """
    # Sorted numbers beside each other instead of a table of hashes, which would take several times
    # the memory.
    ranked = np.sort(keys.to_numpy())
    twice = ranked[1:][ranked[1:] == ranked[:-1]]
    if not len(twice):
        return np.empty(0, dtype=np.int64)
    values = keys.to_numpy()
    positions = np.searchsorted(twice, values)
    # Beyond the last: any number will do, since the comparison below is false.
    positions[positions == len(twice)] = 0
    return np.flatnonzero(twice[positions] == values)


def _repeated_pair_keys(
    pairs: pl.DataFrame, ignore_annotator: bool, votes: pl.DataFrame | None
) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Return keys and row number of each pair whose texts occur in another pair too."""
    rows = repeated_rows((vote_keys(pairs) if votes is None else votes)["pair"])
    label = _LABEL if ignore_annotator else [*_LABEL, "annotator"]
    # No column of scores, of which each batch would make a copy.
    read = pairs[[name for name in _READ if name in pairs.columns]]
    keys = [
        content_keys(batch)
        .with_columns(batch["annotator"], batch["is_tie"])
        .select(
            # One key for all texts: grouping by three would hold several copies of each.
            texts=hash_128(pl.struct(_TEXTS)),
            label=hash_128(pl.struct(label)),
            voted=~pl.col("is_tie") & (pl.col("low") != pl.col("high")),
            for_low=pl.col("chosen") == pl.col("low"),
        )
        for batch in iter_rows_in_batches(read, rows)
    ]
    return pl.concat(keys) if keys else pl.DataFrame(), rows


def duplicate_flags(
    pairs: pl.DataFrame, *, ignore_annotator: bool = False, votes: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return how each pair relates to others with the same texts.

    Args:
        pairs: the pair table.
        ignore_annotator: whether the same label of another annotator is a repetition.
        votes: `vote_keys` of the pairs, where they are at hand.

    Returns:
        Columns `exact` (an earlier pair has the same texts, label and annotator), `copies` (pairs
        with the same prompt and the same two answers, this one included) and `contradicted`
        (another pair has the same texts and the opposite label).
    """
    keys, rows = _repeated_pair_keys(pairs, ignore_annotator, votes)
    out = {
        "exact": np.zeros(len(pairs), dtype=bool),
        "copies": np.ones(len(pairs), dtype=np.int64),
        "contradicted": np.zeros(len(pairs), dtype=bool),
    }
    if len(rows):
        low, high = (pl.col("voted") & s for s in (pl.col("for_low"), ~pl.col("for_low")))
        both = low.any().over("texts") & high.any().over("texts")
        flags = keys.select(
            exact=~pl.col("label").is_first_distinct(),
            copies=pl.len().over("texts").cast(pl.Int64),
            contradicted=pl.col("voted") & both,
        )
        for name, values in out.items():
            values[rows] = flags[name].to_numpy()
    return pl.DataFrame(out)


def first_duplicate(
    pairs: pl.DataFrame, *, ignore_annotator: bool = False, votes: pl.DataFrame | None = None
) -> pl.Series:
    """Return the id of the first pair with the same texts, label and annotator, (pairs,).

    The first such pair gets its own id. The arguments are those of `duplicate_flags`.
    """
    keys, rows = _repeated_pair_keys(pairs, ignore_annotator, votes)
    ids = pairs["pair_id"].alias("of")
    if not len(rows):
        return ids
    first = keys.with_columns(row=pl.Series(rows)).select(r=pl.col("row").first().over("label"))
    first_row = np.arange(len(pairs))
    first_row[rows] = first["r"].to_numpy()
    return ids[first_row]
