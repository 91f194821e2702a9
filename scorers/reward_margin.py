"""Out-of-fold reward margins of Bradley-Terry heads on answer embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from scipy.special import expit

from curate import HIGHER, LOWER, Column, Context
from curate.scoring import (
    STATUS,
    HeldOutScorer,
    RepeatedHeadParameters,
    calibrate,
    compute_in_blocks,
    record_learnability,
    vote_mask,
)
from curate.scoring.heads import label_agreement, select_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class RewardMarginParams(RepeatedHeadParameters):
    """Parameters of `reward_margin`."""


class RewardMargin(HeldOutScorer[RewardMarginParams]):
    """Compute the margin r(chosen) - r(rejected) by heads that never saw the pair or its prompt.

    Each of `repeats` x `folds` heads is a Bradley-Terry reward model (Bradley and Terry 1952) on
    the embedding of the answer. `margin` is the mean margin in nats, negative where the heads
    disagree with the label; `probability` its sigmoid at the temperature that fits all pairs, 0 to
    1; `agreement` the share of repeats with a positive margin, 0 to 1; `spread` their standard
    deviation. A swap of the answers negates the margin exactly. It is the baseline that everything
    else must beat.

    Examples:
        >>> from curate import score
        >>> rows = [{"prompt": f"Is {i} odd?", "chosen": "yes", "rejected": "no"} for i in range(3)]
        >>> score(rows, "reward_margin", folds=5).frame["reward_margin.status"].to_list()
        ['ok', 'ok', 'ok']
    """

    name = "reward_margin"
    purpose = "label noise"
    when = "The held-out margin: the baseline that everything else must beat."
    summary = "out-of-fold margin of Bradley-Terry heads on embedding differences"
    reference = "Bradley and Terry 1952; margins by 5-fold cross-fitting over prompts"
    Params = RewardMarginParams
    margins_alone = True

    def columns(self) -> tuple[Column, ...]:
        """Return the margin and its statistics over repeats."""
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
                "mean probability of the label, margins at the temperature that fits all pairs",
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

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return out-of-fold scores of all pairs."""
        margins = self.params.train(pairs, context).margins()
        mean = margins.mean(axis=1)
        record_learnability(mean, pairs, context)
        calibration = calibrate(select_rows(mean, vote_mask(pairs, context)))
        del mean
        context.facts["calibration"] = calibration.to_json()

        def score_block(block: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
            return {
                "margin": block.mean(axis=1),
                "probability": expit(calibration.scale * block).mean(axis=1),
                "agreement": label_agreement(block).mean(axis=1),
                "spread": block.std(axis=1),
            }

        return compute_in_blocks(context.scratch, score_block, margins)
