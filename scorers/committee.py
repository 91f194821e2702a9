"""Votes of held-out heads on different views of an answer."""

from __future__ import annotations

from typing import get_args

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, LOWER, Column, Context, Parameters
from curate.scoring import (
    STATUS,
    HeadParameters,
    HeldOutScorer,
    record_learnability,
    train_out_of_fold,
    vote_mask,
)
from curate.scoring.heads import FeatureKind, HeadKind, fit_scale

# Two kinds by three views: six voters.
_KINDS: tuple[HeadKind, ...] = ("linear", "mlp")
VIEWS: tuple[FeatureKind, ...] = get_args(FeatureKind)


class CommitteeParams(Parameters):
    """Parameters of `committee`."""

    folds: int = Field(5, ge=2, description="Folds by prompt.")
    repeats: int = Field(2, ge=1, description="Random redraws of the folds for each voter.")


class Committee(HeldOutScorer[CommitteeParams]):
    """Let six small held-out reward models vote: linear and MLP heads on three views of an answer.

    The views are the embedding, the embedding with style, and the length. `margin` is the mean
    margin of the voters in nats, `spread` their standard deviation, `agreement` the share of
    positive margins, 0 to 1. Each voter's margin is scaled to its own best temperature, so that all
    voters count alike. The columns are those of `reward_model`, for recipes that expect several
    reward models (PrefCleanBench, arXiv 2509.23564). The voters learn from the labels that they
    judge, so they agree more than models trained on different data would.

    Examples:
        >>> [column.name for column in Committee(folds=5).columns()]
        ['margin', 'spread', 'agreement', 'status']
    """

    name = "committee"
    purpose = "label noise"
    when = (
        "When a recipe needs votes and no reward models are available. Small heads trained "
        "on the same labels are weaker voters than large reward models."
    )
    summary = "votes of six kinds of held-out heads: a small substitute for several reward models"
    reference = "vote of reward models as in PrefCleanBench, arXiv 2509.23564"
    Params = CommitteeParams

    def columns(self) -> tuple[Column, ...]:
        """Return mean, spread and agreement of the voters."""
        return (
            Column("margin", "mean margin of the voters", "float", HIGHER, "nats (log odds)"),
            Column("spread", "standard deviation of the margin over voters", "float", LOWER),
            Column(
                "agreement", "share of voters with a positive margin", "float", HIGHER, "0 to 1"
            ),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return votes of all pairs."""
        p, voting = self.params, vote_mask(pairs, context)
        margins = []
        for view in VIEWS:
            for kind in _KINDS:
                spec = HeadParameters(head=kind).spec()
                heads = train_out_of_fold(pairs, context, spec, p.repeats, p.folds, view)
                margin = heads.margins().mean(axis=1)
                # Each voter at its temperature of maximum likelihood: no voter counts for more than
                # its accuracy on held-out pairs justifies.
                margins.append(fit_scale(margin[voting]) * margin)
        # (pairs, voters).
        table = np.stack(margins, axis=1)
        record_learnability(table.mean(axis=1), pairs, context)
        return pl.DataFrame(
            {
                "margin": table.mean(axis=1),
                "spread": table.std(axis=1),
                "agreement": (table > 0).mean(axis=1),
            }
        )
