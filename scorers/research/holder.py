"""Hoelder-DPO's contamination estimate, and the pairs that it flags."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit

from curate import HIGHER, LOWER, Column, Context, Standing
from curate.scoring import (
    STATUS,
    HeldOutScorer,
    RepeatedHeadParameters,
    record_learnability,
    vote_mask,
)
from curate.scoring.heads import LossKind, holder_contamination, lowest_share_mask


class HolderParams(RepeatedHeadParameters):
    """Parameters of `holder`."""

    loss: LossKind = Field("holder", description="Loss of a margin in training.")
    loss_parameter: float | None = Field(2.0, gt=0, description="gamma of loss and estimate.")


class Holder(HeldOutScorer[HolderParams]):
    """Train heads by the Hoelder (density power) loss and flag the least likely labels.

    `probability` is the held-out probability of the label, 0 to 1; `flag` marks the pairs of lowest
    probability, as many as the estimated contamination says (Hoelder-DPO, arXiv 2505.17859). The
    paper trains the policy and reads p on the training pairs; here p is held out. The estimate
    counts genuine ambiguity as contamination: do not use it as a noise rate.

    Examples:
        >>> probability = np.array([0.9, 0.1, 0.8, 0.7])
        >>> lowest_share_mask(probability, 0.25).tolist()
        [False, True, False, False]
    """

    name = "holder"
    purpose = "label noise"
    standing = Standing.RESEARCH
    when = (
        "As a robust alternative to the margin, over which it gained nothing: mean AUROC .658 at "
        "20 % flips and .567 at 40 %, the margin .657 and .562. Its contamination estimate is "
        "unreliable: 1 % at 20 % flips."
    )
    summary = "contamination estimate and flag by the Hoelder divergence (Hoelder-DPO)"
    reference = "Hoelder-DPO, arXiv 2505.17859"
    Params = HolderParams

    def columns(self) -> tuple[Column, ...]:
        """Return probability and flag."""
        return (
            Column("probability", "held-out probability of the label", "float", HIGHER, "0 to 1"),
            Column("flag", "among the contaminated share of lowest probability", "bool", LOWER),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return probabilities of all pairs; only pairs with a vote are flagged."""
        p = self.params
        trained = p.train(pairs, context)
        margins = trained.margins()
        learnt = record_learnability(margins.mean(axis=1), pairs, context)
        probability = expit(margins).mean(axis=1)
        voting = vote_mask(pairs, context)
        # gamma of the estimate is that of the loss, as in the paper.
        rate = holder_contamination(probability[voting], p.loss_parameter or 2.0)
        if learnt.ok:
            # The paper's term; it is not the noise rate, see `when`.
            context.facts["contamination"] = round(rate, 4)
        flags = np.zeros(len(pairs), dtype=bool)
        # The estimated number of contaminated pairs, lowest probability first.
        flags[voting] = lowest_share_mask(probability[voting], rate)
        return pl.DataFrame({"probability": probability, "flag": flags})
