"""Out-of-fold reward margins of Bradley-Terry heads on answer embeddings."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit

from curate.context import Context
from curate.models.calibration import calibrate
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


class RewardMarginParams(HeadParameters):
    """Parameters of `reward_margin`."""

    repeats: int = Field(
        8, ge=1, description="Times the folds are drawn anew; margins are averaged."
    )


class RewardMargin(Scorer[RewardMarginParams]):
    """Margin r(chosen) - r(rejected) by heads that never saw the pair or its prompt.

    Each of `repeats` x `folds` heads is a Bradley-Terry reward model on the embedding of the
    answer; all are trained as one batch. A swap of the answers negates the margin exactly.
    """

    name = "reward_margin"
    summary = "out-of-fold margin of Bradley-Terry heads on embedding differences"
    reference = "Bradley and Terry 1952; margins by 5-fold cross-fitting over prompts"
    needs_embeddings: ClassVar[bool] = True
    Params = RewardMarginParams

    def columns(self) -> tuple[Column, ...]:
        """Margins and what the repeats say of them."""
        return (
            Column(
                "margin",
                "mean margin over repeats; negative: the heads disagree with the label",
                "float",
                HIGHER,
                "nats (log odds)",
            ),
            Column(
                "probability",
                "mean probability of the label, margins scaled to the temperature that fits all",
                "float",
                HIGHER,
                "0 to 1",
            ),
            Column(
                "agreement", "share of repeats whose margin is positive", "float", HIGHER, "0 to 1"
            ),
            Column(
                "spread",
                "standard deviation of the margin over repeats",
                "float",
                LOWER,
                "nats",
            ),
            STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Out-of-fold scores of all pairs."""
        p = self.params
        if too_few_prompts(pairs, context):
            return missing(self.columns(), pairs, context)
        margins = train_out_of_fold(
            pairs, context, p.spec(), p.repeats, p.folds, p.features
        ).margins()
        calibration = calibrate(margins.mean(axis=1)[trainable(pairs)])
        context.facts["calibration"] = calibration.facts()
        # A margin of exactly 0 (identical answers) is half a vote for either side.
        votes = (np.sign(margins) + 1.0) / 2.0
        return pl.DataFrame(
            {
                "margin": margins.mean(axis=1),
                "probability": expit(calibration.scale * margins).mean(axis=1),
                "agreement": votes.mean(axis=1),
                "spread": margins.std(axis=1),
            }
        ).with_columns(status(pairs, context))
