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
from curate.data.table import BATCH_ROWS, batches
from curate.models.heads.at_heads import LocalAnswerFeatures
from curate.models.heads.calibration import label_agreement
from curate.models.heads.dropout_uncertainty import (
    agreement_share,
    label_uncertainty,
    normal_uncertainty,
)
from curate.models.heads.head_scorer import STATUS, HeadScorer, record_learnability
from curate.models.heads.heads import LinearHeads, dropout_mask
from curate.models.heads.out_of_fold import HeadParameters, OutOfFold, train_out_of_fold
from curate.store.row_blocks import in_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.store.workspace import Workspace

_HALF = 0.5
_ROWS = 8192
_MANY = 32
"""Features from which on a margin over masks is taken as normal."""


class MCDropoutParams(HeadParameters):
    """Parameters of `mc_dropout`."""

    passes: int = Field(
        30,
        ge=2,
        description="Stochastic passes T; UPO's code uses 10 to 30. Linear heads need none: see "
        "the scorer.",
    )
    dropout: float = Field(0.1, gt=0, lt=1, description="Share of units dropped.")


class MCDropout(HeadScorer[MCDropoutParams]):
    """Mean, variance and BALD of the label's probability over dropout of features.

    A pass draws one mask for all pairs: one network sampled from the approximate posterior (Gal and
    Ghahramani 2016). Of a linear head on at least 32 features the mean and the variance of the
    margin over all masks are known, and it is taken as normal: what infinitely many passes would
    give, without their noise. Other heads make T passes. Unlike UPO's judge the head has no slot
    order, so there is no position bias.
    """

    name = "mc_dropout"
    purpose = "difficulty and uncertainty"
    when = "To find ambiguous pairs. BALD does not find flips; it is not made for that."
    summary = "mean, variance and BALD of the label's probability over dropout passes (UPO)"
    version = 2
    reference = "UPO, arXiv 2409.11212; BALD: Houlsby et al. 2011, arXiv 1112.5745"
    Params = MCDropoutParams
    margins_alone = True

    def columns(self) -> tuple[Column, ...]:
        """Probabilities are of the observed label."""
        return (
            Column(
                "probability",
                "mean probability of the label over passes",
                "float",
                HIGHER,
                "0 to 1",
            ),
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
                "UPO's first gate: most passes (more than half) side with the label",
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
        """Out-of-fold uncertainty of all pairs."""
        p = self.params
        trained = train_out_of_fold(pairs, context, p.spec(p.dropout), 1, p.folds, p.features)
        # With few features the sum over units is far from normal, and masks are drawn.
        if isinstance(trained.heads, LinearHeads) and trained.heads.units() >= _MANY:
            found = _by_moments(trained, trained.heads, p.dropout, context.workspace)
        else:
            masks = pass_masks(p.passes, trained.heads.units(), p.dropout, context.step_seed("mc"))
            found = pl.DataFrame(_of_all_pairs(trained, masks))
        # A probability above one half is a positive margin.
        record_learnability(found["probability"].to_numpy() - _HALF, pairs, context)
        mean = found["bald"].mean()
        assert isinstance(mean, float)
        parts = (_with_odds(found[rows], mean) for rows in batches(len(found), BATCH_ROWS))
        return context.workspace.collect("odds", parts)


def _with_odds(found: pl.DataFrame, mean: float) -> pl.DataFrame:
    """The statistics with the gate and the odds of both ways of sampling.

    Args:
        found: of some pairs.
        mean: of BALD over all pairs; it lies between 0 and log 2.
    """
    bald = pl.col("bald")
    return found.with_columns(
        gate=pl.col("vote") > _HALF,
        easy_weight=(1.0 - bald) / (1.0 - mean),
        hard_weight=bald / mean if mean > 0 else pl.lit(1.0),
    )


def _by_moments(
    trained: OutOfFold, heads: LinearHeads, rate: float, workspace: Workspace
) -> pl.DataFrame:
    """`normal_uncertainty` and `vote` of each pair, by the head that did not see it."""
    variance = trained.held_out_values(lambda c, r: heads.dropout_variance(c, r, rate))

    def of(
        margins: NDArray[np.float64], variances: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float64]]:
        mean, spread = margins[:, 0], np.sqrt(variances[:, 0])
        return normal_uncertainty(mean, spread) | {"vote": agreement_share(mean, spread)}

    return in_blocks(workspace, of, trained.margins(), variance)


def pass_masks(passes: int, units: int, rate: float, seed: int) -> Tensor:
    """One dropout mask for each pass, (passes, units)."""
    return dropout_mask(passes, units, rate, torch.Generator().manual_seed(seed))


def _of_all_pairs(trained: OutOfFold, masks: Tensor) -> dict[str, NDArray[np.float64]]:
    """Return `label_uncertainty` and `vote` of each pair, by the head that did not see it."""
    names = ("probability", "variance", "bald", "vote")
    found = {name: np.empty(len(trained.scorer_of)) for name in names}
    for rows, margins in masked_margins(trained, masks):
        of_rows = label_uncertainty(expit(margins)) | {
            "vote": label_agreement(margins).mean(axis=1)
        }
        for name, values in of_rows.items():
            found[name][rows] = values
    return found


def masked_margins(
    trained: OutOfFold, masks: Tensor
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Held-out margins of some pairs under each mask, (rows, passes), and which pairs they are."""
    seen, held_by = trained.answer_features, trained.scorer_of[:, 0]
    # Passes need both answers, not their difference alone.
    assert isinstance(seen, LocalAnswerFeatures)
    masks = masks.to(seen.chosen.device)
    with torch.no_grad():
        # Head by head: masks of all passes times all heads would not fit into memory.
        for head in range(trained.heads.heads):
            for rows in torch.split((held_by == head).nonzero()[:, 0], _ROWS):
                margins = trained.heads.masked_margins(
                    seen.chosen[rows], seen.rejected[rows], head, masks
                )
                yield rows.numpy(), margins.double().cpu().numpy()
