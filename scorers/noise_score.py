"""The default noise score of a label, learned without gold labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curate import LOWER, Column, Context, Standing
from curate.scoring import STATUS, MarginParams, MarginScorer, compute_in_blocks
from curate.scoring.heads import record_posterior

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NoiseScore(MarginScorer[MarginParams]):
    """Estimate the probability that each label is wrong, from all other labels and all evidence.

    A ridge regression learns from the other prompts only, on embeddings, 36 counts of the answers'
    form, their style and length; its strengths are chosen by the evidence framework (MacKay 1992).
    Other votes on the same answers, margins of judges and reward models, and reviewed pairs count
    too. The result is averaged over the unknown flip rate and the unknown quality of heads and
    evidence. `score` is 0 to 1 and `posterior` = 1 - `score`; `margin`, `heads`, `votes` and
    `evidence` are log odds in nats. It cannot distinguish a wrong label from an unusual taste. It
    is the default ranking of suspicion.

    Examples:
        >>> [column.name for column in NoiseScore().columns()]
        ['score', 'posterior', 'margin', 'heads', 'votes', 'evidence', 'status']
    """

    name = "noise_score"
    purpose = "label noise"
    standing = Standing.RECOMMENDED
    when = (
        "The default ranking by label noise: mean AUROC on six datasets .76, .74, .66 at 10, 20 "
        "and 40 % flips. A judge, a reward model or fifty reviewed pairs help a lot."
    )
    summary = (
        "probability that each label is wrong, by held-out evidence ridge; the default ranking"
    )
    reference = "evidence framework, MacKay 1992, Neural Computation 4"
    version = 5
    Params = MarginParams

    def columns(self) -> tuple[Column, ...]:
        """Return the score, the posterior, and its grounds."""
        score = Column("score", "probability that the label is wrong", "float", LOWER, "0 to 1")
        return (score, *self.posterior_columns, STATUS)

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return scores of all pairs; ties and identical answers get none."""
        posterior = self.params.posterior(pairs, context)
        record_posterior(posterior, pairs, context)

        def score_block(
            right: NDArray[np.float64], *terms: NDArray[np.float64]
        ) -> dict[str, NDArray[np.float64]]:
            names = [column.name for column in self.posterior_columns]
            return {"score": 1.0 - right, **dict(zip(names, (right, *terms), strict=True))}

        return compute_in_blocks(
            context.scratch,
            score_block,
            posterior.right,
            *self.posterior_terms(posterior, context),
        )
