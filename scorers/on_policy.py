"""How likely a policy is to write each answer: data that it never visits teaches it little."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field
from torch import Tensor

from curate import HIGHER, Column, Context, Parameters, Scorer
from curate.models.lm.answers import STATUS, measure_answers, with_status
from curate.models.lm.language_model import token_sums
from curate.models.lm.network import CausalNetwork
from curate.models.lm.trees import TreeBatch
from curate.steps.models import Model


class OnPolicyParams(Parameters):
    """Parameters of `on_policy`."""

    policy: Model = Field(description="Causal model that will be trained on the pairs.")


class OnPolicy(Scorer[OnPolicyParams]):
    """Mean over an answer's tokens of log pi(y_t) - log sum_v pi(v)^2, and WPO's weight.

    The second term is the log of a token's expected probability when the policy samples it, so that
    answers of the policy itself score about 0 however sure it is, and answers that it would not
    write score far below. The weight is exp(chosen) exp(rejected) (sampled alignment, eq. 2).
    """

    name = "on_policy"
    purpose = "rewards and models"
    when = "Before DPO on data of other models: WPO's weight of each pair."
    summary = "how far both answers are what the policy itself would write (WPO)"
    reference = "WPO, arXiv 2406.11827, eq. 2; suboptimal on-policy data, arXiv 2404.14367"
    scope: ClassVar[Literal["row", "table"]] = "row"
    Params = OnPolicyParams

    def columns(self) -> tuple[Column, ...]:
        """On-policyness of both answers, the smaller one, and the weight."""
        told = "mean aligned log-probability a token; about 0 for the policy's own answers"
        return (
            Column("chosen", f"of the preferred answer: {told}", "float", HIGHER, "nats"),
            Column("rejected", f"of the other answer: {told}", "float", HIGHER, "nats"),
            Column("least", "the smaller of both", "float", HIGHER, "nats"),
            Column("weight", "WPO's training weight of the pair", "float", HIGHER),
            STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """On-policyness of a batch."""
        kind = ("aligned_answers",)
        found = measure_answers(pairs, context, self.params.policy, kind, of=aligned_sums)
        chosen, rejected = found.means()
        values = {
            "chosen": chosen,
            "rejected": rejected,
            # The weaker of both decides whether a pair is within the reach of the policy.
            "least": np.minimum(chosen, rejected),
            "weight": np.exp(chosen + rejected),
        }
        return with_status(values, found)


def aligned_sums(network: CausalNetwork, batch: TreeBatch) -> Tensor:
    """(A, 2): sum over an answer's tokens of log pi(y_t) - log sum_v pi(v)^2, and their number."""
    return token_sums(batch, network.token_values(batch, network.hidden(batch), _aligned))


def _aligned(logits: Tensor, token: Tensor) -> Tensor:
    logs = logits.log_softmax(dim=1)
    return logs.gather(1, token[:, None])[:, 0] - (2.0 * logs).logsumexp(dim=1)
