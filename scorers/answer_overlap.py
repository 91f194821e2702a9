"""How near both answers lie to each other."""

from __future__ import annotations

import numpy as np
import polars as pl

from curate import LOWER, Column, Context, Parameters, Scorer
from curate.models.media.answers import embedded_answers_mask


class AnswerOverlapParams(Parameters):
    """Parameters of `answer_overlap`: none."""


class AnswerOverlap(Scorer[AnswerOverlapParams]):
    """Cosine of both answers' embeddings, texts or media.

    DCPO finds that images of which one is preferred overlap so much that one prompt hardly tells
    them apart ("conflict distribution"), and trains on captions of their own; it draws the overlap
    and states no score. A cosine as a score of each pair is ours.
    """

    name = "answer_overlap"
    purpose = "difficulty and disagreement"
    when = "To find pairs whose answers hardly differ: little to learn, and labels near chance."
    summary = "how near both answers lie to each other, by embeddings (DCPO's conflict)"
    reference = "DCPO, arXiv 2502.06023, sec. 3"
    needs_embeddings = True
    stored = True
    reads_texts = False
    Params = AnswerOverlapParams

    def columns(self) -> tuple[Column, ...]:
        """The cosine, and why there is none."""
        return (
            Column("overlap", "cosine of both answers", "float", LOWER, "-1 to 1"),
            Column("status", "ok, or 'not seen' where a medium cannot be decoded", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Of all pairs."""
        features = context.features
        overlap = features.cosines("rejected", "chosen").astype(np.float64)
        seen = embedded_answers_mask(features)
        values = pl.Series(np.where(seen, overlap, np.nan)).fill_nan(None)
        status = np.where(seen, "ok", "not seen").tolist()
        return pl.DataFrame({"overlap": values, "status": status})
