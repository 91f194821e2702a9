"""How well each image or audio fits its prompt: CLIPScore."""

from __future__ import annotations

import numpy as np
import polars as pl

from curate import HIGHER, Cache, Column, Context, Input, Parameters, Scorer
from curate.scoring.media import DECODED, media_status

# The weight w of CLIPScore (arXiv 2104.08718, eq. 1): it brings usual values to about 0 to 1.
_WEIGHT = 2.5
_SIDES = ("chosen", "rejected")


class AlignmentParams(Parameters):
    """Parameters of `alignment`: none."""


class Alignment(Scorer[AlignmentParams]):
    """Compute CLIPScore of each image or audio with its prompt, and the margin of the two answers.

    CLIPScore is 2.5 max(cos(prompt, medium), 0), from 0 to 2.5 (arXiv 2104.08718, eq. 1). `margin`
    is chosen minus rejected, from -2.5 to 2.5. The paper puts "A photo depicts" before a caption;
    the prompt is used unchanged here. The embedding model is that of the run (CLIP, SigLIP,
    CLAP...), so values of different models are not comparable. Use it on preferences between images
    or audio.

    Examples:
        >>> [column.unit for column in Alignment().columns()]
        ['', '0 to 2.5', '0 to 2.5', '']
    """

    name = "alignment"
    purpose = "rewards and models"
    when = "On preferences between images or audio; needs a matching embedder."
    summary = "how well each image or audio fits its prompt, and the margin (CLIPScore)"
    reference = "CLIPScore, arXiv 2104.08718, eq. 1 (w = 2.5)"
    inputs = frozenset({Input.TEXTS, Input.EMBEDDINGS, Input.MEDIA})
    cache = Cache.WHOLE
    Params = AlignmentParams

    def columns(self) -> tuple[Column, ...]:
        """Return both scores, their difference, and the status."""
        return (
            Column(
                "margin", "score of chosen minus that of rejected", "float", HIGHER, evidence="auto"
            ),
            Column("chosen", "CLIPScore of the chosen answer", unit="0 to 2.5"),
            Column("rejected", "CLIPScore of the rejected answer", unit="0 to 2.5"),
            Column("status", "ok, 'answers are texts' or 'not seen'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Score all pairs whose answers are media."""
        status = media_status(pairs, context.features)
        decoded_mask = status == DECODED
        # CLIPScore is 2.5 max(cos, 0) (Hessel et al. 2021, eq. 1).
        scores = {
            side: np.where(
                decoded_mask, _WEIGHT * np.maximum(context.features.cosines(side), 0.0), np.nan
            )
            for side in _SIDES
        }
        margin = scores["chosen"] - scores["rejected"]
        columns = {"margin": margin, **scores, "status": status}
        # Null, not NaN: filters count nulls as missing scores.
        return pl.DataFrame(columns).with_columns(pl.col("margin", *_SIDES).fill_nan(None))
