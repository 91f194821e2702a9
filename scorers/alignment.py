"""How well each image or audio fits its prompt: CLIPScore."""

from __future__ import annotations

import numpy as np
import polars as pl

from curate import HIGHER, Column, Context, Parameters, Scorer
from curate.models.media.answers import DECODED, media_status

# Of CLIPScore (arXiv 2104.08718), which brings usual values to about 0 to 1.
_WEIGHT = 2.5
_SIDES = ("chosen", "rejected")


class AlignmentParams(Parameters):
    """Parameters of `alignment`: none."""


class Alignment(Scorer[AlignmentParams]):
    """CLIPScore of both answers, 2.5 max(cos(prompt, medium), 0), and its margin.

    The paper puts "A photo depicts" before a caption; prompts are taken as they stand here. The
    model is the run's embedder (CLIP, SigLIP, CLAP...), so values of different models do not
    compare.
    """

    name = "alignment"
    purpose = "rewards and models"
    when = "On preferences between images or audios; needs an embedder of them."
    summary = "how well each image or audio fits its prompt, and the margin (CLIPScore)"
    reference = "CLIPScore, arXiv 2104.08718, eq. 1 (w = 2.5)"
    needs_embeddings = True
    stored = True
    reads_media = True
    Params = AlignmentParams

    def columns(self) -> tuple[Column, ...]:
        """Both scores, their difference, and why there are none."""
        return (
            Column(
                "margin", "score of chosen minus that of rejected", "float", HIGHER, evidence="auto"
            ),
            Column("chosen", "CLIPScore of the preferred answer", unit="0 to 2.5"),
            Column("rejected", "CLIPScore of the other answer", unit="0 to 2.5"),
            Column("status", "ok, 'answers are texts' or 'not seen'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Of all pairs whose answers are media."""
        status = media_status(pairs, context.features)
        seen = status == DECODED
        # CLIPScore is 2.5 max(cos, 0) (Hessel et al. 2021, eq. 1).
        scores = {
            side: np.where(seen, _WEIGHT * np.maximum(context.features.cosines(side), 0.0), np.nan)
            for side in _SIDES
        }
        margin = scores["chosen"] - scores["rejected"]
        found = {"margin": margin, **scores, "status": status}
        return pl.DataFrame(found).with_columns(pl.col("margin", *_SIDES).fill_nan(None))
