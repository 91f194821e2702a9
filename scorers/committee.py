"""Votes of held-out heads that see an answer in different ways."""

from __future__ import annotations

from typing import get_args

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, LOWER, Column, Context, Parameters
from curate.models.heads.calibration import fit_scale
from curate.models.heads.head_scorer import STATUS, HeadScorer, record_learnability
from curate.models.heads.heads import HeadKind
from curate.models.heads.out_of_fold import HeadParameters, train_out_of_fold, vote_mask
from curate.steps.features import FeatureKind

_KINDS: tuple[HeadKind, ...] = ("linear", "mlp")
VIEWS: tuple[FeatureKind, ...] = get_args(FeatureKind)


class CommitteeParams(Parameters):
    """Parameters of `committee`."""

    folds: int = Field(5, ge=2, description="Folds by prompt.")
    repeats: int = Field(2, ge=1, description="Times the folds are drawn anew for each voter.")


class Committee(HeadScorer[CommitteeParams]):
    """Six small reward models as voters: linear and mlp heads on three views of an answer.

    The views are embedding, embedding with style, and length. A voter's margin is held out, and
    scaled to the temperature that fits all pairs, so that voters count alike. It has the columns of
    `reward_model` where no reward models are at hand; its voters learn from the labels that they
    judge, and agree more than models that were trained on different data.
    """

    name = "committee"
    purpose = "label noise"
    when = (
        "When no reward models are at hand and a recipe wants votes. Small heads trained "
        "on the same labels are weaker voters than large reward models."
    )
    summary = "votes of six kinds of held-out heads: the small stand-in for several reward models"
    reference = "vote of reward models as in PrefCleanBench, arXiv 2509.23564"
    Params = CommitteeParams

    def columns(self) -> tuple[Column, ...]:
        """What the voters say."""
        return (
            Column("margin", "mean margin of the voters", "float", HIGHER, "nats (log odds)"),
            Column("spread", "standard deviation of the margin over voters", "float", LOWER),
            Column(
                "agreement", "share of voters with a positive margin", "float", HIGHER, "0 to 1"
            ),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Votes of all pairs."""
        p, voting = self.params, vote_mask(pairs, context)
        margins = []
        for view in VIEWS:
            for kind in _KINDS:
                spec = HeadParameters(head=kind).spec()
                heads = train_out_of_fold(pairs, context, spec, p.repeats, p.folds, view)
                margin = heads.margins().mean(axis=1)
                # Each member at the temperature of greatest likelihood: none speaks louder than it
                # knows.
                margins.append(fit_scale(margin[voting]) * margin)
        table = np.stack(margins, axis=1)
        record_learnability(table.mean(axis=1), pairs, context)
        return pl.DataFrame(
            {
                "margin": table.mean(axis=1),
                "spread": table.std(axis=1),
                "agreement": (table > 0).mean(axis=1),
            }
        )
