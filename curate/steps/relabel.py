"""Flips labels: swaps chosen and rejected."""

from __future__ import annotations

import polars as pl

from curate.data.attachments import REJECTED_MEDIA
from curate.data.json_fields import with_extra_key
from curate.steps.contracts import Column, FilterResult, keep_all

RELABELLED = (
    "chosen", "rejected", "strength", "extra", *REJECTED_MEDIA, *REJECTED_MEDIA.values(),
)  # fmt: skip
"""The pair columns that are read and changed."""
_MARK, _UNMARK = '"flipped":true', '"flipped":false'
FLIPPED = Column("flipped", "the label was flipped", "bool")


def flip_labels(pairs: pl.DataFrame, flips: pl.Series) -> pl.DataFrame:
    """Swap chosen and rejected where `flips` is true, and set `"flipped": true` in `extra`.

    Flipping a label again restores the label that was read: the value becomes false.
    """
    before, after = (pl.col("extra").str.contains(m, literal=True) for m in (_MARK, _UNMARK))
    mark = (
        # A label flipped twice is the one that was read: the mark goes back to false, as text,
        # since parsing the JSON of every pair would take longest.
        pl.when(before.fill_null(False))
        .then(pl.col("extra").str.replace(_MARK, _UNMARK, literal=True))
        .when(after.fill_null(False))
        .then(pl.col("extra").str.replace(_UNMARK, _MARK, literal=True))
        .otherwise(with_extra_key("extra", "flipped", pl.lit("true")))
    )
    marked = pairs.select("extra", flips.alias("flipped"))
    extra = marked.select(pl.when("flipped").then(mark).otherwise("extra").alias("extra"))
    return swap_answers(pairs, flips).with_columns(extra["extra"]).select(RELABELLED)


def flipped_mask(pairs: pl.DataFrame) -> pl.Series:
    """Return whether each label differs from the one that was read, (pairs,) bool."""
    return pairs["extra"].str.contains(_MARK, literal=True).fill_null(False)


def swap_answers(pairs: pl.DataFrame, flips: pl.Series) -> pl.DataFrame:
    """Return chosen and rejected with their media, swapped where `flips` is true.

    The strength changes its sign, since it measures chosen against rejected.
    """
    media = [
        media_pair for media_pair in REJECTED_MEDIA.items() if set(media_pair) <= set(pairs.columns)
    ]
    strength = [name for name in ("strength",) if name in pairs.columns]
    names = [
        "chosen",
        "rejected",
        *strength,
        *(name for media_pair in media for name in media_pair),
    ]
    return pairs.select(*names, flips.alias("flipped")).select(
        pl.when("flipped").then("rejected").otherwise("chosen").alias("chosen"),
        pl.when("flipped").then("chosen").otherwise("rejected").alias("rejected"),
        *(pl.when("flipped").then(-pl.col(n)).otherwise(n).alias(n) for n in strength),
        *(column for media_pair in media for column in _swap_media(*media_pair)),
    )


def _swap_media(shared: str, other: str) -> tuple[pl.Expr, pl.Expr]:
    """Return the media of both answers, swapped where the label is flipped."""
    # Media that both answers speak of belong to neither, and stay where they are.
    apart = pl.col("flipped") & pl.col(other).is_not_null()
    return (
        pl.when(apart).then(other).otherwise(shared).alias(shared),
        pl.when(apart).then(shared).otherwise(other).alias(other),
    )


def flip_only(pairs: pl.DataFrame, flips: pl.Series) -> FilterResult:
    """Return a result that keeps every pair, flips labels and adds `FLIPPED`."""
    return keep_all(pairs, flips.alias(FLIPPED.name).to_frame(), flip_labels(pairs, flips))
