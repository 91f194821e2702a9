"""How similar the embeddings of both answers are."""

from __future__ import annotations

import numpy as np
import polars as pl

from curate import LOWER, Cache, Column, Context, Input, Parameters, Scorer
from curate.scoring.media import embedded_answers_mask


class AnswerOverlapParams(Parameters):
    """Parameters of `answer_overlap`: none."""


class AnswerOverlap(Scorer[AnswerOverlapParams]):
    """Compute the cosine of the embeddings of the two answers, texts or media.

    `overlap` is cos(chosen, rejected), from -1 to 1. DCPO (arXiv 2502.06023, sec. 3) observes that
    two images of one prompt overlap so much that the prompt hardly separates them ("conflict
    distribution"); it plots the overlap and defines no score. The cosine as a score of each pair is
    ours. Use it to find pairs that teach little because their answers hardly differ.

    Examples:
        >>> from curate import score
        >>> rows = [{"prompt": "2 + 2?", "chosen": "It is 4.", "rejected": "It is 4."}]
        >>> score(rows, "answer_overlap").frame["answer_overlap.overlap"].round(3).to_list()
        [1.0]
    """

    name = "answer_overlap"
    purpose = "difficulty and disagreement"
    when = "To find pairs whose answers hardly differ: little to learn, and labels near chance."
    summary = "cosine of the embeddings of both answers (DCPO's conflict)"
    reference = "DCPO, arXiv 2502.06023, sec. 3"
    inputs = frozenset({Input.EMBEDDINGS})
    cache = Cache.WHOLE
    Params = AnswerOverlapParams

    def columns(self) -> tuple[Column, ...]:
        """Return the cosine and the status."""
        return (
            Column("overlap", "cosine of both answers", "float", LOWER, "-1 to 1"),
            Column("status", "ok, or 'not seen' where a medium cannot be decoded", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Score all pairs."""
        features = context.features
        overlap = features.cosines("rejected", "chosen").astype(np.float64)
        decoded_mask = embedded_answers_mask(features)
        values = pl.Series(np.where(decoded_mask, overlap, np.nan)).fill_nan(None)
        status = np.where(decoded_mask, "ok", "not seen").tolist()
        return pl.DataFrame({"overlap": values, "status": status})
