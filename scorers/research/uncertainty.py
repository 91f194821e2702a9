"""How much of a pair's uncertainty is aleatoric, and how much epistemic."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.special import entr, expit

from curate import LOWER, Column, Context, Standing
from curate.scoring import (
    STATUS,
    HeldOutScorer,
    RepeatedHeadParameters,
    calibrate,
    record_learnability,
    vote_mask,
)


class UncertaintyParams(RepeatedHeadParameters):
    """Parameters of `uncertainty`."""


class Uncertainty(HeldOutScorer[UncertaintyParams]):
    """Split the entropy of a held-out ensemble into aleatoric and epistemic uncertainty.

    `total` = H(mean p), `aleatoric` = mean H(p), `epistemic` = total - aleatoric, each 0 to 0.693
    nats (Depeweg et al., arXiv 1710.07283), over heads that differ in their training folds; margins
    are first scaled to the temperature that fits all pairs. Pairs with much aleatoric and little
    epistemic uncertainty are hard and known to be hard: tastes differ there. A swap of the answers
    changes no value. Use it to separate what is hard from what is unknown.

    Examples:
        >>> from curate import score
        >>> rows = [{"prompt": f"Is {i} odd?", "chosen": "yes", "rejected": "no"} for i in range(3)]
        >>> score(rows, "uncertainty", folds=5).frame["uncertainty.status"].to_list()
        ['ok', 'ok', 'ok']
    """

    name = "uncertainty"
    purpose = "difficulty and uncertainty"
    standing = Standing.RESEARCH
    when = (
        "To separate what is hard from what is unknown. To keep the hard pairs harmed: accuracy "
        "-.043 on clean labels, -.013 at 20 % flips (filter `challenging`)."
    )
    summary = "aleatoric and epistemic parts of the uncertainty of a held-out ensemble"
    reference = "Depeweg et al., arXiv 1710.07283; for preferences: Mirroring Users"
    Params = UncertaintyParams
    margins_alone = True

    def columns(self) -> tuple[Column, ...]:
        """Return entropies."""
        return (
            Column("total", "entropy of the mean probability", "float", LOWER, "nats, 0 to 0.693"),
            Column("aleatoric", "mean entropy of the heads", "float", LOWER, "nats, 0 to 0.693"),
            Column("epistemic", "total minus aleatoric", "float", LOWER, "nats, 0 to 0.693"),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return entropies of all pairs."""
        margins = self.params.train(pairs, context).margins()
        record_learnability(margins.mean(axis=1), pairs, context)
        calibration = calibrate(margins.mean(axis=1)[vote_mask(pairs, context)])
        context.facts["calibration"] = calibration.to_json()
        p = expit(calibration.scale * margins)
        mean = p.mean(axis=1)
        # entr(p) = -p log p; the second term is the other answer's.
        total = entr(mean) + entr(1.0 - mean)
        aleatoric = (entr(p) + entr(1.0 - p)).mean(axis=1)
        return pl.DataFrame(
            {
                "total": total,
                "aleatoric": aleatoric,
                # Rounding can make the difference slightly negative.
                "epistemic": np.maximum(total - aleatoric, 0.0),
            }
        )
