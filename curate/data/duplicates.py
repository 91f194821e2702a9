"""Pairs that repeat or contradict each other, by their exact texts."""

from __future__ import annotations

import polars as pl

from curate.data.hashes import content_keys

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
    voted = ~pl.col("is_tie") & (pl.col("low") != pl.col("high"))
    for_low = voted & (pl.col("chosen") == pl.col("low"))
    for_high = voted & (pl.col("chosen") == pl.col("high"))
    return keys.select(
        exact=~pl.struct(identity).is_first_distinct(),
        copies=pl.len().over(_TEXTS).cast(pl.Int64),
        contradicted=voted & for_low.any().over(_TEXTS) & for_high.any().over(_TEXTS),
    )


def first_duplicate(pairs: pl.DataFrame, *, ignore_annotator: bool = False) -> pl.Series:
    """pair_id of the first pair with the same texts, label and annotator; its own for the first."""
    keys, identity = _keys(pairs, ignore_annotator)
    return keys.select(of=pl.col("pair_id").first().over(identity))["of"]
