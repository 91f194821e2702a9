"""Turning labels round."""

from __future__ import annotations

import polars as pl

from curate.extra import extra_with
from curate.steps import Column, Verdict, keep_all

RELABELLED = ("chosen", "rejected", "extra")
"""The pair columns that are read and changed."""
FLIPPED = Column("flipped", "the label was turned round", "bool")


def turned_round(pairs: pl.DataFrame, flips: pl.Series) -> pl.DataFrame:
    """Chosen and rejected exchanged where `flips` holds; `extra` gains `"flipped": true` there."""
    marked = pairs.select(*RELABELLED, flips.alias("flipped"))
    return marked.select(
        chosen=pl.when("flipped").then("rejected").otherwise("chosen"),
        rejected=pl.when("flipped").then("chosen").otherwise("rejected"),
        extra=pl.when("flipped")
        .then(extra_with("extra", "flipped", pl.lit("true")))
        .otherwise("extra"),
    )


def flip_only(pairs: pl.DataFrame, flips: pl.Series) -> Verdict:
    """The verdict that keeps every pair and adds `FLIPPED`."""
    return keep_all(pairs, flips.alias(FLIPPED.name).to_frame(), turned_round(pairs, flips))
