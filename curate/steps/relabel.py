"""Turning labels round."""

from __future__ import annotations

import polars as pl

from curate.data.extra_column import extra_with
from curate.data.row_parts import REJECTED_IMAGES
from curate.steps.contracts import Column, FilterResult, keep_all

RELABELLED = ("chosen", "rejected", "extra", "images", REJECTED_IMAGES)
"""The pair columns that are read and changed."""
_MARK, _UNMARK = '"flipped":true', '"flipped":false'
FLIPPED = Column("flipped", "the label was flipped", "bool")


def flip_labels(pairs: pl.DataFrame, flips: pl.Series) -> pl.DataFrame:
    """Chosen and rejected exchanged where `flips` holds; `extra` gains `"flipped": true` there.

    A label that is flipped again is the one that was read: the mark becomes false.
    """
    before, after = (pl.col("extra").str.contains(m, literal=True) for m in (_MARK, _UNMARK))
    mark = (
        pl.when(before.fill_null(False))
        .then(pl.col("extra").str.replace(_MARK, _UNMARK, literal=True))
        .when(after.fill_null(False))
        .then(pl.col("extra").str.replace(_UNMARK, _MARK, literal=True))
        .otherwise(extra_with("extra", "flipped", pl.lit("true")))
    )
    marked = pairs.select(*RELABELLED, flips.alias("flipped"))
    apart = pl.col("flipped") & pl.col(REJECTED_IMAGES).is_not_null()
    return marked.select(
        chosen=pl.when("flipped").then("rejected").otherwise("chosen"),
        rejected=pl.when("flipped").then("chosen").otherwise("rejected"),
        extra=pl.when("flipped").then(mark).otherwise("extra"),
        images=pl.when(apart).then(REJECTED_IMAGES).otherwise("images"),
        rejected_images=pl.when(apart).then("images").otherwise(REJECTED_IMAGES),
    )


def flip_only(pairs: pl.DataFrame, flips: pl.Series) -> FilterResult:
    """The verdict that keeps every pair and adds `FLIPPED`."""
    return keep_all(pairs, flips.alias(FLIPPED.name).to_frame(), flip_labels(pairs, flips))
