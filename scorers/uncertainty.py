"""How much of a pair's uncertainty is in the question, and how much in the heads."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.special import entr, expit

from curate import LOWER, Column, Context
from curate.models.heads.calibration import calibrate
from curate.models.heads.head_scorer import STATUS, HeadScorer, record_learnability
from curate.models.heads.out_of_fold import RepeatedHeadParameters, vote_mask


class UncertaintyParams(RepeatedHeadParameters):
    """Parameters of `uncertainty`."""


class Uncertainty(HeadScorer[UncertaintyParams]):
    """Splits the entropy of a held-out ensemble into aleatoric and epistemic parts.

    total = H(mean p), aleatoric = mean H(p), epistemic = the difference, over heads that differ in
    the folds they saw; margins are first scaled to the temperature that fits all pairs. Pairs of
    large aleatoric and small epistemic part are hard and known to be hard: tastes differ there. It
    says nothing about the label: a swap of the answers changes no value.
    """

    name = "uncertainty"
    purpose = "difficulty and uncertainty"
    when = "To tell what is hard from what is unknown. Choosing hard pairs harmed on small sets."
    summary = "aleatoric and epistemic parts of the uncertainty of a held-out ensemble"
    reference = "Depeweg et al., arXiv 1710.07283; for preferences: Mirroring Users"
    Params = UncertaintyParams
    margins_alone = True

    def columns(self) -> tuple[Column, ...]:
        """Entropies."""
        return (
            Column("total", "entropy of the mean probability", "float", LOWER, "nats, 0 to 0.693"),
            Column("aleatoric", "mean entropy of the heads", "float", LOWER, "nats, 0 to 0.693"),
            Column("epistemic", "total minus aleatoric", "float", LOWER, "nats, 0 to 0.693"),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Entropies of all pairs."""
        margins = self.params.train(pairs, context).margins()
        record_learnability(margins.mean(axis=1), pairs, context)
        calibration = calibrate(margins.mean(axis=1)[vote_mask(pairs, context)])
        context.facts["calibration"] = calibration.facts()
        p = expit(calibration.scale * margins)
        mean = p.mean(axis=1)
        total = entr(mean) + entr(1.0 - mean)
        aleatoric = (entr(p) + entr(1.0 - p)).mean(axis=1)
        return pl.DataFrame(
            {
                "total": total,
                "aleatoric": aleatoric,
                "epistemic": np.maximum(total - aleatoric, 0.0),
            }
        )
