"""Pairs whose answers are images, videos or audio and no texts."""

from __future__ import annotations

import polars as pl

from curate.data.attachments import REJECTED_MEDIA
from curate.data.hashes import select_in_batches
from curate.data.messages import AUDIOS, IMAGES, PLACEHOLDERS, VIDEOS
from curate.data.table import messages_text

_PLACEHOLDERS = {
    "images": PLACEHOLDERS[IMAGES],
    "videos": PLACEHOLDERS[VIDEOS],
    "audios": PLACEHOLDERS[AUDIOS],
}


def media_answer_columns(pairs: pl.DataFrame) -> list[str]:
    """Return the media columns that are the answers of some pairs."""
    return [column for column in REJECTED_MEDIA if media_answer_mask(pairs, column).any()]


def media_answer_mask(pairs: pl.DataFrame, column: str) -> pl.Series:
    """Return whether both answers of each pair are only media of this column, (pairs,).

    Answers of text that each speak of images of their own, as ms-swift has them, are texts.
    """
    rejected_column = REJECTED_MEDIA[column]
    if rejected_column not in pairs.columns or pairs[rejected_column].null_count() == len(pairs):
        return pl.repeat(False, len(pairs), eager=True)
    texts = [
        messages_text(side)
        .str.replace_all(_PLACEHOLDERS[column], "", literal=True)
        .str.strip_chars()
        for side in ("chosen", "rejected")
    ]
    has_media = pl.col(column).is_not_null() & pl.col(rejected_column).is_not_null()
    mask = select_in_batches(pairs, m=has_media & (texts[0] == "") & (texts[1] == ""))
    return mask["m"].fill_null(False)
