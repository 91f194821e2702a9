"""Uncertainty of the preference by Monte-Carlo dropout (UPO)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from pydantic import Field
from scipy.special import expit
from torch import Tensor

from curate import HIGHER, LOWER, Column, Context
from curate.scoring import (
    STATUS,
    HeadParameters,
    HeldOutScorer,
    OutOfFold,
    batch_slices,
    compute_in_blocks,
    record_learnability,
    train_out_of_fold,
)
from curate.scoring.heads import (
    LinearHeads,
    LocalAnswerFeatures,
    agreement_share,
    answer_features,
    dropout_mask,
    label_agreement,
    label_uncertainty,
    normal_uncertainty,
)
from curate.scoring.texts import BATCH_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.scoring.heads import ScratchSpace

# Bounds rows by passes of masked features in memory.
_ROWS_PER_BLOCK = 8192
_MIN_FEATURES_FOR_NORMAL = 32
"""Number of features from which the margin over masks is treated as normal."""


class MCDropoutParams(HeadParameters):
    """Parameters of `mc_dropout`."""

    passes: int = Field(
        30,
        ge=2,
        description="Stochastic passes T; UPO's code uses 10 to 30. Linear heads need none: see "
        "the scorer's description.",
    )
    dropout: float = Field(0.1, gt=0, lt=1, description="Share of units dropped.")


class MCDropout(HeldOutScorer[MCDropoutParams]):
    """Compute mean, variance and BALD of the label's probability over dropout of features (UPO).

    A pass draws one mask for all pairs: one network from the approximate posterior (Gal and
    Ghahramani 2016). `probability` and `vote` (share of passes that side with the label) are 0 to
    1, `variance` 0 to 0.25, `bald` = H(mean p) - mean H(p) 0 to 0.693 nats (Houlsby et al. 2011,
    arXiv 1112.5745). `gate`, `easy_weight` and `hard_weight` are those of UPO (arXiv 2409.11212).
    For a linear head on 32 features or more the moments over all masks are known in closed form;
    other heads make `passes` passes. BALD of our small heads is near 0, so `easy_weight` is
    near 1 for every pair and a draw by it is a random one (standard deviation .003 on 600 simulated
    pairs, .0003 with an MLP, .0009 for an ensemble of ten): the fact `easy_weight_spread` and the
    filter `sample` say so. What filters in UPO is the gate; `quantile` on `bald` keeps the easiest
    pairs. Use it to find ambiguous pairs; BALD does not find flips.

    Examples:
        >>> from curate.scoring.heads import label_uncertainty
        >>> values = label_uncertainty(np.array([[0.9, 0.9], [0.0, 1.0]]))
        >>> values["bald"].round(3).tolist()
        [0.0, 0.693]
    """

    name = "mc_dropout"
    purpose = "difficulty and uncertainty"
    when = "To find ambiguous pairs. BALD does not find flips and is not meant to."
    summary = "mean, variance and BALD of the label's probability over dropout passes (UPO)"
    version = 2
    reference = "UPO, arXiv 2409.11212; BALD: Houlsby et al. 2011, arXiv 1112.5745"
    Params = MCDropoutParams
    margins_alone = True

    def columns(self) -> tuple[Column, ...]:
        """Return statistics of the given label."""
        return (
            Column("probability", "mean probability over passes", "float", HIGHER, "0 to 1"),
            Column(
                "variance", "variance of that probability over passes", "float", LOWER, "0 to 0.25"
            ),
            Column(
                "bald",
                "mutual information of label and network: H(mean p) - mean H(p)",
                "float",
                LOWER,
                "nats, 0 to 0.693",
            ),
            Column("vote", "share of passes that side with the label", "float", HIGHER, "0 to 1"),
            Column(
                "gate",
                "UPO's first gate: more than half of the passes side with the label",
                "bool",
                HIGHER,
            ),
            Column(
                "easy_weight",
                "UPO's odds for easy sampling, (1 - BALD) over its mean",
                "float",
                "neither",
            ),
            Column(
                "hard_weight",
                "UPO's odds for hard sampling, BALD over its mean",
                "float",
                "neither",
            ),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return out-of-fold uncertainty of all pairs."""
        p = self.params
        trained = train_out_of_fold(pairs, context, p.spec(p.dropout), 1, p.folds, p.features)
        # With few features the sum over units is far from normal, so masks are sampled.
        if (
            isinstance(trained.heads, LinearHeads)
            and trained.heads.units() >= _MIN_FEATURES_FOR_NORMAL
        ):
            statistics = _uncertainty_by_moments(trained, trained.heads, p.dropout, context.scratch)
        else:
            masks = pass_masks(p.passes, trained.heads.units(), p.dropout, context.step_seed("mc"))
            answers = trained.answer_features
            if not isinstance(answers, LocalAnswerFeatures):
                # Masks are of single features, which partitions hold as differences alone.
                answers = LocalAnswerFeatures(*answer_features(pairs, context, p.features))
            statistics = pl.DataFrame(_uncertainty_by_sampling(trained, answers, masks))
        # A probability above 1/2 corresponds to a positive margin.
        record_learnability(statistics["probability"].to_numpy() - 0.5, pairs, context)
        mean = statistics["bald"].mean()
        assert isinstance(mean, float)
        # Standard deviation of easy_weight: below .01 a draw by it is as good as random.
        spread = (statistics["bald"] / (1.0 - mean)).std()
        assert isinstance(spread, float)
        context.facts["easy_weight_spread"] = round(spread, 6)
        blocks = (
            _add_sampling_weights(statistics[rows], mean)
            for rows in batch_slices(len(statistics), BATCH_ROWS)
        )
        return context.scratch.collect("odds", blocks)


def _add_sampling_weights(statistics: pl.DataFrame, mean: float) -> pl.DataFrame:
    """Add the gate and the odds of easy and hard sampling to the statistics.

    Args:
        statistics: statistics of some pairs, `vote` and `bald` among them.
        mean: mean of BALD over all pairs, between 0 and log 2.
    """
    bald = pl.col("bald")
    # Weights have mean 1: UPO samples in proportion to 1 - BALD (easy) or BALD (hard).
    return statistics.with_columns(
        gate=pl.col("vote") > 0.5,
        easy_weight=(1.0 - bald) / (1.0 - mean),
        hard_weight=bald / mean if mean > 0 else pl.lit(1.0),
    )


def _uncertainty_by_moments(
    trained: OutOfFold, heads: LinearHeads, rate: float, scratch: ScratchSpace
) -> pl.DataFrame:
    """Return `normal_uncertainty` and `vote` of each pair, by the head that did not see it."""
    variance = trained.held_out_values(lambda c, r: heads.dropout_variance(c, r, rate))

    def score_block(
        margins: NDArray[np.float64], variances: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float64]]:
        mean, spread = margins[:, 0], np.sqrt(variances[:, 0])
        return normal_uncertainty(mean, spread) | {"vote": agreement_share(mean, spread)}

    return compute_in_blocks(scratch, score_block, trained.margins(), variance)


def pass_masks(passes: int, units: int, rate: float, seed: int) -> Tensor:
    """Return one dropout mask per pass, (passes, units)."""
    return dropout_mask(passes, units, rate, torch.Generator().manual_seed(seed))


def _uncertainty_by_sampling(
    trained: OutOfFold, answers: LocalAnswerFeatures, masks: Tensor
) -> dict[str, NDArray[np.float64]]:
    """Return `label_uncertainty` and `vote` of each pair, by the head that did not see it."""
    names = ("probability", "variance", "bald", "vote")
    statistics = {name: np.empty(len(trained.scorer_of)) for name in names}
    for rows, margins in masked_margins(trained, answers, masks):
        row_statistics = label_uncertainty(expit(margins)) | {
            "vote": label_agreement(margins).mean(axis=1)
        }
        for name, values in row_statistics.items():
            statistics[name][rows] = values
    return statistics


def masked_margins(
    trained: OutOfFold, answers: LocalAnswerFeatures, masks: Tensor
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield rows, and their held-out margins under each mask, (rows, passes)."""
    chosen, rejected = answers.chosen, answers.rejected
    masks, head_index = masks.to(chosen.device), trained.scorer_of[:, 0]
    with torch.no_grad():
        # Head by head: the masks of all passes and all heads would not fit into memory.
        for head in range(trained.heads.heads):
            for rows in torch.split((head_index == head).nonzero()[:, 0], _ROWS_PER_BLOCK):
                # The same masks for both answers: swapping them negates the margin exactly.
                margins = trained.heads.masked_margins(chosen[rows], rejected[rows], head, masks)
                yield rows.numpy(), margins.double().cpu().numpy()
