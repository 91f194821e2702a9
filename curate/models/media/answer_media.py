"""Which pairs' answers are media, and whether these could be embedded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.attachments import REJECTED_MEDIA
from curate.data.media_answers import media_answer_mask
from curate.data.table import BATCH_ROWS, batch_slices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.features import Features

DECODED, TEXTS, NOT_DECODED = "ok", "answers are texts", "not seen"


def embedded_answers_mask(features: Features) -> NDArray[np.bool_]:
    """Return whether each pair's answers could be embedded, (pairs,).

    An answer that could not has the vector 0, and so has its rival.
    """
    there = np.empty(len(features.vectors), dtype=bool)
    for rows in batch_slices(len(there), BATCH_ROWS):
        there[rows] = np.any(features.vectors[rows], axis=1)
    return there[features.index["chosen"]]


def media_status(pairs: pl.DataFrame, features: Features) -> pl.Series:
    """Return the status of each pair: ok, answers are texts, or a medium was not decoded."""
    kinds = pl.DataFrame({c: media_answer_mask(pairs, c) for c in REJECTED_MEDIA})
    media = kinds.select(m=pl.any_horizontal(pl.all()))["m"].to_numpy()
    status = np.where(media, np.where(embedded_answers_mask(features), DECODED, NOT_DECODED), TEXTS)
    return pl.Series("status", status.tolist(), dtype=pl.String)
