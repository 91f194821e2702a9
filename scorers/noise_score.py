"""The default suspicion of a label, learned without any gold label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curate import LOWER, Column, Context
from curate.models.heads.head_scorer import STATUS
from curate.models.heads.margin_scorer import (
    POSTERIOR_COLUMNS,
    MarginParams,
    MarginScorer,
)
from curate.models.heads.posterior.facts import record_posterior
from curate.store.row_blocks import in_blocks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NoiseScore(MarginScorer[MarginParams]):
    """Probability that the label is wrong, by all other labels and all evidence.

    A ridge regression on embeddings, 36 counts of the answers' form, their style and length, whose
    strengths are chosen by evidence, learns from the other prompts alone. Other votes on the same
    two answers, margins of judges and reward models, and judged pairs count too. The probability is
    averaged over what is not known: the flip rate, and what heads and evidence are worth. It cannot
    tell a wrong label from an unusual taste.
    """

    name = "noise_score"
    purpose = "label noise"
    when = (
        "The default ranking of suspicion: mean AUROC of six sets .76, .74, .66 at 10, 20 and 40 % "
        "flips. A judge, a reward model or fifty judged pairs add much."
    )
    summary = "suspicion of each label by held-out evidence ridge; the default ranking"
    reference = "evidence framework, MacKay 1992, Neural Computation 4"
    version = 3
    Params = MarginParams

    def columns(self) -> tuple[Column, ...]:
        """The score, the posterior, and what it rests on."""
        score = Column("score", "probability that the label is wrong", "float", LOWER, "0 to 1")
        return (score, *POSTERIOR_COLUMNS, STATUS)

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Scores of all pairs; ties and identical answers get none."""
        posterior = self.params.posterior(pairs, context)
        record_posterior(posterior, pairs, context)

        def score_block(
            right: NDArray[np.float64], *terms: NDArray[np.float64]
        ) -> dict[str, NDArray[np.float64]]:
            names = [column.name for column in POSTERIOR_COLUMNS]
            return {"score": 1.0 - right, **dict(zip(names, (right, *terms), strict=True))}

        return in_blocks(context.workspace, score_block, posterior.right, *posterior.terms)
