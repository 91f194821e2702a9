"""Pairs that repeat or contradict each other, by their exact texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.hashes import content_keys, hashed, vote_keys
from curate.data.row_parts import ROW_PARTS
from curate.data.table import rows_in_batches

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TEXTS = ["prompt", "low", "high"]
_LABEL = ["prompt", "chosen", "rejected", "is_tie"]
_READ = ["prompt", "chosen", "rejected", "annotator", "is_tie", *ROW_PARTS]


def repeated_rows(keys: pl.Series) -> NDArray[np.int64]:
    """Rows whose 64-bit key another row has too, ascending; 17 bytes a row, where few do.

    A sort in place: a table of all keys would take several times the memory.
    """
    ranked = np.sort(keys.to_numpy())
    twice = ranked[1:][ranked[1:] == ranked[:-1]]
    if not len(twice):
        return np.empty(0, dtype=np.int64)
    values = keys.to_numpy()
    at = np.searchsorted(twice, values)
    at[at == len(twice)] = 0
    return np.flatnonzero(twice[at] == values)


def _keys(
    pairs: pl.DataFrame, ignore_annotator: bool, votes: pl.DataFrame | None
) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Of each pair whose texts another one has too: `texts`, `label`, who is preferred; its row."""
    rows = repeated_rows((vote_keys(pairs) if votes is None else votes)["pair"])
    label = _LABEL if ignore_annotator else [*_LABEL, "annotator"]
    # No column of scores, of which each batch would make a copy.
    read = pairs[[name for name in _READ if name in pairs.columns]]
    found = [
        content_keys(some)
        .with_columns(some["annotator"], some["is_tie"])
        .select(
            # One key for all texts: grouping by three would hold several copies of each.
            texts=hashed(pl.struct(_TEXTS)),
            label=hashed(pl.struct(label)),
            voted=~pl.col("is_tie") & (pl.col("low") != pl.col("high")),
            for_low=pl.col("chosen") == pl.col("low"),
        )
        for some in rows_in_batches(read, rows)
    ]
    return pl.concat(found) if found else pl.DataFrame(), rows


def duplicate_flags(
    pairs: pl.DataFrame, *, ignore_annotator: bool = False, votes: pl.DataFrame | None = None
) -> pl.DataFrame:
    """For each pair, how it stands to others with the same texts.

    Args:
        pairs: the pair table.
        ignore_annotator: whether the same label of another annotator is a repetition.
        votes: `vote_keys` of the pairs, where they are at hand.

    Returns:
        Columns `exact` (an earlier pair has the same texts, label and annotator), `copies` (pairs
        with the same prompt and the same two answers, this one included) and `contradicted`
        (another pair has the same texts and the opposite label).
    """
    keys, rows = _keys(pairs, ignore_annotator, votes)
    out = {
        "exact": np.zeros(len(pairs), dtype=bool),
        "copies": np.ones(len(pairs), dtype=np.int64),
        "contradicted": np.zeros(len(pairs), dtype=bool),
    }
    if len(rows):
        low, high = (pl.col("voted") & s for s in (pl.col("for_low"), ~pl.col("for_low")))
        both = low.any().over("texts") & high.any().over("texts")
        found = keys.select(
            exact=~pl.col("label").is_first_distinct(),
            copies=pl.len().over("texts").cast(pl.Int64),
            contradicted=pl.col("voted") & both,
        )
        for name, values in out.items():
            values[rows] = found[name].to_numpy()
    return pl.DataFrame(out)


def first_duplicate(
    pairs: pl.DataFrame, *, ignore_annotator: bool = False, votes: pl.DataFrame | None = None
) -> pl.Series:
    """pair_id of the first pair with the same texts, label and annotator; its own for the first.

    Arguments as of `duplicate_flags`.
    """
    keys, rows = _keys(pairs, ignore_annotator, votes)
    ids = pairs["pair_id"].alias("of")
    if not len(rows):
        return ids
    first = keys.with_columns(row=pl.Series(rows)).select(r=pl.col("row").first().over("label"))
    of = np.arange(len(pairs))
    of[rows] = first["r"].to_numpy()
    return ids[of]
