"""Pairs whose answers are images, videos or audios, and no texts."""

from __future__ import annotations

import polars as pl

from curate.data.hashes import select_in_batches
from curate.data.message_parts import AUDIOS, IMAGES, MARKS, VIDEOS
from curate.data.row_parts import REJECTED_MEDIA
from curate.data.table import messages_text

_MARKS = {"images": MARKS[IMAGES], "videos": MARKS[VIDEOS], "audios": MARKS[AUDIOS]}


def answer_media(pairs: pl.DataFrame) -> list[str]:
    """The columns of media that are the answers of some pairs."""
    return [column for column in REJECTED_MEDIA if are_media(pairs, column).any()]


def are_media(pairs: pl.DataFrame, column: str) -> pl.Series:
    """Whether both answers of each pair are media of this column and nothing else, (pairs,).

    Answers of text that each speak of images of their own, as ms-swift has them, are texts.
    """
    other = REJECTED_MEDIA[column]
    if other not in pairs.columns or pairs[other].null_count() == len(pairs):
        return pl.repeat(False, len(pairs), eager=True)
    bare = [
        messages_text(side).str.replace_all(_MARKS[column], "", literal=True).str.strip_chars()
        for side in ("chosen", "rejected")
    ]
    own = pl.col(column).is_not_null() & pl.col(other).is_not_null()
    found = select_in_batches(pairs, m=own & (bare[0] == "") & (bare[1] == ""))
    return found["m"].fill_null(False)
