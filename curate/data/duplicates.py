"""Pairs that repeat or contradict each other, by their exact texts."""

from __future__ import annotations

import polars as pl

from curate.data.hashes import content_keys, hashed

_TEXTS = ["prompt", "low", "high"]


def _keys(pairs: pl.DataFrame, ignore_annotator: bool) -> tuple[pl.DataFrame, list[str]]:
    keys = content_keys(pairs).with_columns(pairs["pair_id"], pairs["annotator"], pairs["is_tie"])
    identity = ["prompt", "chosen", "rejected", "is_tie"]
    return keys, identity if ignore_annotator else [*identity, "annotator"]


def duplicate_flags(pairs: pl.DataFrame, *, ignore_annotator: bool = False) -> pl.DataFrame:
    """For each pair, how it stands to others with the same texts.

    Returns:
        Columns `exact` (an earlier pair has the same texts, label and annotator), `copies` (pairs
        with the same prompt and the same two answers, this one included) and `contradicted`
        (another pair has the same texts and the opposite label).
    """
    keys, identity = _keys(pairs, ignore_annotator)
    # One key for all three, before rows are grouped by it: that holds several copies of it.
    short = keys.select(
        texts=hashed(pl.struct(_TEXTS)),
        exact=~pl.struct(identity).is_first_distinct(),
        voted=~pl.col("is_tie") & (pl.col("low") != pl.col("high")),
        for_low=pl.col("chosen") == pl.col("low"),
    )
    del keys
    for_low, for_high = (pl.col("voted") & side for side in (pl.col("for_low"), ~pl.col("for_low")))
    return short.select(
        "exact",
        copies=pl.len().over("texts").cast(pl.Int64),
        contradicted=pl.col("voted") & for_low.any().over("texts") & for_high.any().over("texts"),
    )


def first_duplicate(pairs: pl.DataFrame, *, ignore_annotator: bool = False) -> pl.Series:
    """pair_id of the first pair with the same texts, label and annotator; its own for the first."""
    keys, identity = _keys(pairs, ignore_annotator)
    return keys.select(of=pl.col("pair_id").first().over(identity))["of"]
