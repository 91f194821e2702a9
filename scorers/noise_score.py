"""The default suspicion of a label, learned without any gold label."""

from __future__ import annotations

import polars as pl
from scipy.special import expit

from curate import HIGHER, LOWER, Column, Context
from curate.models.heads.calibration import calibrate
from curate.models.heads.head_scorer import STATUS
from curate.models.heads.margin_scorer import MarginParams, MarginScorer
from curate.models.heads.out_of_fold import votes
from curate.store.row_blocks import in_blocks, some_of


class NoiseScore(MarginScorer[MarginParams]):
    """Probability, by all other labels, that the opposite label would have been given.

    A ridge regression on embeddings, 36 counts of the answers' form, their style and length, whose
    strengths are chosen by evidence, learns from the other prompts alone; where several people
    voted on the same two answers, their votes count too. It cannot tell a wrong label from an
    unusual taste.
    """

    name = "noise_score"
    purpose = "label noise"
    when = (
        "The default ranking of suspicion: mean AUROC of six sets .76, .74, .66 at 10, 20 and 40 % "
        "flips. Where heads learn nothing, it tells nothing."
    )
    summary = "suspicion of each label by held-out evidence ridge; the default ranking"
    reference = "evidence framework, MacKay 1992, Neural Computation 4"
    version = 2
    Params = MarginParams

    def columns(self) -> tuple[Column, ...]:
        """The score and the margin behind it."""
        return (
            Column("score", "probability of the opposite label", "float", LOWER, "0 to 1"),
            Column("margin", "held-out margin, without votes", "float", HIGHER, "nats (log odds)"),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Out-of-fold scores of all pairs."""
        found = self.params.margins(pairs, context)
        context.facts["calibration"] = calibrate(
            some_of(found.margin, votes(pairs, context))
        ).facts()
        context.facts["strengths"] = found.strengths
        context.facts["pairs_with_other_votes"] = int((found.votes != 0).sum())
        found.learnt.tell(context)
        return in_blocks(
            context.workspace,
            lambda right, margin: {"score": expit(-right), "margin": margin},
            found.right,
            found.margin,
        )
