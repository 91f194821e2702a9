"""Hoelder-DPO's contamination estimate, and the pairs that it flags."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit

from curate.context import Context
from curate.models.contamination import holder_contamination, lowest_share
from curate.models.losses import LossKind
from curate.models.out_of_fold import (
    STATUS,
    HeadParameters,
    missing,
    status,
    too_few_prompts,
    train_out_of_fold,
    trainable,
)
from curate.steps import HIGHER, LOWER, Column, Scorer


class HolderParams(HeadParameters):
    """Parameters of `holder`."""

    loss: LossKind = Field("holder", description="Loss of a margin in training.")
    loss_parameter: float | None = Field(2.0, gt=0, description="gamma of loss and estimate.")
    repeats: int = Field(8, ge=1, description="Times the folds are drawn anew; margins averaged.")


class Holder(Scorer[HolderParams]):
    """Heads trained by the Hoelder (density power) loss; the least likely share is flagged.

    The paper trains the policy and reads p on the training pairs; here p is held out. The estimate
    counts genuine ambiguity as contamination.
    """

    name = "holder"
    summary = "contamination estimate and flag by the Hoelder divergence (Hoelder-DPO)"
    reference = "Hoelder-DPO, arXiv 2505.17859"
    needs_embeddings: ClassVar[bool] = True
    Params = HolderParams

    def columns(self) -> tuple[Column, ...]:
        """Probability and flag."""
        return (
            Column("probability", "held-out probability of the label", "float", HIGHER, "0 to 1"),
            Column("flag", "among the contaminated share of lowest probability", "bool", LOWER),
            STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Probabilities of all pairs; flags among those that hold a vote."""
        p = self.params
        if too_few_prompts(pairs, context):
            return missing(self.columns(), pairs, context)
        trained = train_out_of_fold(pairs, context, p.spec(), p.repeats, p.folds, p.features)
        probability = expit(trained.margins()).mean(axis=1)
        votes = trainable(pairs)
        rate = holder_contamination(probability[votes], p.loss_parameter or 2.0)
        context.facts["noise_rate"] = round(rate, 4)
        flags = np.zeros(len(pairs), dtype=bool)
        flags[votes] = lowest_share(probability[votes], rate)
        frame = pl.DataFrame({"probability": probability, "flag": flags})
        return frame.with_columns(status(pairs, context))
