"""How hard it is for DPO to rank a pair right, from the reference model alone."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import logit

from curate import LOWER, Column, Context, Parameters, Scorer
from curate.models.lm.answers import STATUS, answer_logprobs, with_status
from curate.steps.models import Model


class RankingDifficultyParams(Parameters):
    """Parameters of `ranking_difficulty`."""

    reference: Model = Field(description="Model from which DPO starts.")
    beta: float = Field(0.1, gt=0, description="DPO's beta.")
    reliability: float = Field(
        0.9, gt=0.5, lt=1, description="Probability that a label is right, for `learnable`."
    )


class RankingDifficulty(Scorer[RankingDifficultyParams]):
    """c = log pi_ref(y_l|x) - log pi_ref(y_w|x), and what follows from it.

    A policy ranks the pair right exactly if its DPO margin is above beta c, so its loss must fall
    below -log sigma(beta c). The optimum of DPO on labels that are right with probability q has the
    margin log(q / (1 - q)); where that is below beta c, even the optimum ranks the pair wrongly.
    """

    name = "ranking_difficulty"
    purpose = "difficulty and uncertainty"
    when = "To see which pairs DPO cannot turn from this reference."
    summary = "the reference's log ratio c against a pair, and whether DPO can turn it at this beta"
    reference = "Preference Learning Algorithms Do Not Learn Preference Rankings, arXiv 2405.19534"
    scope: ClassVar[Literal["row", "table"]] = "row"
    Params = RankingDifficultyParams

    def columns(self) -> tuple[Column, ...]:
        """The ratio, the bound on the loss, and two judgements."""
        return (
            Column(
                "c",
                "log ratio of rejected to chosen under the reference",
                "float",
                unit="nats",
                evidence="named",
            ),
            Column("difficulty", "beta c: the DPO margin to exceed", "float", LOWER, "nats"),
            Column("loss_bound", "DPO loss below which the pair is ranked right", "float"),
            Column("ranked", "the reference ranks the pair right already", "bool"),
            Column("learnable", "the optimum of DPO ranks the pair right", "bool"),
            STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Difficulty of a batch."""
        p = self.params
        found = answer_logprobs(pairs, context, p.reference)
        c = found.rejected - found.chosen
        values = {"c": c, "difficulty": p.beta * c, "loss_bound": np.logaddexp(0.0, -p.beta * c)}
        known = pl.col("c").is_not_nan()
        frame = with_status(values, found).with_columns(
            ranked=pl.when(known).then(pl.col("c") < 0),
            learnable=pl.when(known).then(pl.col("difficulty") < float(logit(p.reliability))),
        )
        return frame.select([c.name for c in self.columns()])
