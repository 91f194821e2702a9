"""How hard it is for DPO to rank a pair correctly, from the reference model."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import logit

from curate import LOWER, Column, Context, Input, Parameters, Scope, Scorer
from curate.scoring import MODEL_STATUS, Model, answer_logprobs, with_status


class RankingDifficultyParams(Parameters):
    """Parameters of `ranking_difficulty`."""

    reference: Model = Field(description="Model from which DPO starts.")
    beta: float = Field(0.1, gt=0, description="DPO's beta.")
    reliability: float = Field(
        0.9, gt=0.5, lt=1, description="Probability that a label is right, for `learnable`."
    )


class RankingDifficulty(Scorer[RankingDifficultyParams]):
    """Compute how hard it is for DPO to rank a pair correctly, from the reference model.

    c = log pi_ref(rejected|x) - log pi_ref(chosen|x) in nats. A policy ranks the pair correctly
    exactly if its DPO margin exceeds `difficulty` = beta c, so its loss must fall below
    `loss_bound` = -log sigma(beta c). The optimum of DPO on labels that are right with probability
    q has the margin log(q / (1 - q)); `learnable` says whether it exceeds beta c. `ranked` says
    whether c < 0 (arXiv 2405.19534). Use it to see which pairs DPO cannot turn from this reference.

    Examples:
        >>> step = RankingDifficulty(reference="org/base", beta=0.1)
        >>> [column.name for column in step.columns()]
        ['c', 'difficulty', 'loss_bound', 'ranked', 'learnable', 'status']
    """

    name = "ranking_difficulty"
    purpose = "difficulty and uncertainty"
    when = "To see which pairs DPO cannot learn to rank from this reference."
    summary = "the reference's log ratio c against the label, and whether DPO can overcome it"
    reference = "Preference Learning Algorithms Do Not Learn Preference Rankings, arXiv 2405.19534"
    inputs = frozenset({Input.TEXTS, Input.MODEL})
    scope = Scope.ROW
    Params = RankingDifficultyParams

    def columns(self) -> tuple[Column, ...]:
        """Return the ratio, the bound on the loss, and two flags."""
        return (
            Column(
                "c",
                "log ratio of rejected to chosen under the reference",
                "float",
                unit="nats",
                evidence="named",
            ),
            Column("difficulty", "beta c: the DPO margin to exceed", "float", LOWER, "nats"),
            Column("loss_bound", "DPO loss below which the pair is ranked correctly", "float"),
            Column("ranked", "the reference already ranks the pair correctly", "bool"),
            Column("learnable", "the optimum of DPO ranks the pair correctly", "bool"),
            MODEL_STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return difficulty of a batch."""
        p = self.params
        logprobs = answer_logprobs(pairs, context, p.reference)
        c = logprobs.rejected - logprobs.chosen
        # loss_bound = -log sigma(beta c) = log(1 + exp(-beta c)), without overflow.
        values = {"c": c, "difficulty": p.beta * c, "loss_bound": np.logaddexp(0.0, -p.beta * c)}
        has_ratio = pl.col("c").is_not_nan()
        frame = with_status(values, logprobs).with_columns(
            ranked=pl.when(has_ratio).then(pl.col("c") < 0),
            learnable=pl.when(has_ratio).then(pl.col("difficulty") < float(logit(p.reliability))),
        )
        return frame.select([c.name for c in self.columns()])
