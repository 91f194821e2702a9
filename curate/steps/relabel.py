"""Flipping labels: chosen and rejected change places."""

from __future__ import annotations

import polars as pl

from curate.data.extra_column import extra_with
from curate.data.row_parts import REJECTED_MEDIA
from curate.steps.contracts import Column, FilterResult, keep_all

RELABELLED = (
    "chosen", "rejected", "strength", "extra", *REJECTED_MEDIA, *REJECTED_MEDIA.values(),
)  # fmt: skip
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
    marked = pairs.select("extra", flips.alias("flipped"))
    extra = marked.select(pl.when("flipped").then(mark).otherwise("extra").alias("extra"))
    return exchanged(pairs, flips).with_columns(extra["extra"]).select(RELABELLED)


def flipped_mask(pairs: pl.DataFrame) -> pl.Series:
    """Whether each label is another one than was read, (pairs,) bool."""
    return pairs["extra"].str.contains(_MARK, literal=True).fill_null(False)


def exchanged(pairs: pl.DataFrame, flips: pl.Series) -> pl.DataFrame:
    """Chosen and rejected and the media of each, exchanged where `flips` holds.

    Strength is that of chosen over rejected, so that it changes its sign.
    """
    media = [both for both in REJECTED_MEDIA.items() if set(both) <= set(pairs.columns)]
    strength = [name for name in ("strength",) if name in pairs.columns]
    names = ["chosen", "rejected", *strength, *(name for both in media for name in both)]
    return pairs.select(*names, flips.alias("flipped")).select(
        pl.when("flipped").then("rejected").otherwise("chosen").alias("chosen"),
        pl.when("flipped").then("chosen").otherwise("rejected").alias("rejected"),
        *(pl.when("flipped").then(-pl.col(n)).otherwise(n).alias(n) for n in strength),
        *(column for both in media for column in _exchanged(*both)),
    )


def _exchanged(shared: str, other: str) -> tuple[pl.Expr, pl.Expr]:
    """The media of both answers, exchanged where the label is flipped and each has its own."""
    # Media that both answers speak of belong to neither, and stay where they are.
    apart = pl.col("flipped") & pl.col(other).is_not_null()
    return (
        pl.when(apart).then(other).otherwise(shared).alias(shared),
        pl.when(apart).then(shared).otherwise(other).alias(other),
    )


def flip_only(pairs: pl.DataFrame, flips: pl.Series) -> FilterResult:
    """The verdict that keeps every pair and adds `FLIPPED`."""
    return keep_all(pairs, flips.alias(FLIPPED.name).to_frame(), flip_labels(pairs, flips))
