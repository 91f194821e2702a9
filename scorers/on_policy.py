"""How likely a policy is to write each answer: off-policy data teaches it little."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field
from torch import Tensor

from curate import HIGHER, Column, Context, Input, Parameters, Scope, Scorer
from curate.scoring import MODEL_STATUS, Model, with_status
from curate.scoring.lm import CausalNetwork, TreeBatch, measure_answers, token_sums


class OnPolicyParams(Parameters):
    """Parameters of `on_policy`."""

    policy: Model = Field(description="Causal model that will be trained on the pairs.")


class OnPolicy(Scorer[OnPolicyParams]):
    """Measure how likely the policy is to write each answer, with WPO's weight.

    `chosen` and `rejected` are the mean over tokens of log pi(y_t) - log sum_v pi(v)^2, in nats.
    The second term is the log of a token's expected probability when the policy samples it: answers
    of the policy itself score about 0, others far below. `least` is the smaller of the two and
    `weight` is exp(chosen) exp(rejected) (WPO, arXiv 2406.11827, eq. 2, sampled alignment). Use it
    before DPO on data of other models.

    Examples:
        >>> [column.name for column in OnPolicy(policy="org/model").columns()]
        ['chosen', 'rejected', 'least', 'weight', 'status']
    """

    name = "on_policy"
    purpose = "rewards and models"
    when = "Before DPO on data of other models: WPO's weight of each pair."
    summary = "how likely the policy is to write both answers (WPO)"
    reference = "WPO, arXiv 2406.11827, eq. 2; suboptimal on-policy data, arXiv 2404.14367"
    inputs = frozenset({Input.TEXTS, Input.MODEL})
    scope = Scope.ROW
    Params = OnPolicyParams

    def columns(self) -> tuple[Column, ...]:
        """Return the aligned log-probabilities, the smaller one, and the weight."""
        meaning = "mean aligned log-probability per token; about 0 for answers of the policy"
        return (
            Column("chosen", f"chosen answer: {meaning}", "float", HIGHER, "nats"),
            Column("rejected", f"rejected answer: {meaning}", "float", HIGHER, "nats"),
            Column("least", "the smaller of the two", "float", HIGHER, "nats"),
            Column("weight", "WPO's training weight of the pair", "float", HIGHER),
            MODEL_STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return aligned log-probabilities of a batch."""
        kind = ("aligned_answers",)
        sums = measure_answers(pairs, context, self.params.policy, kind, of=aligned_sums)
        chosen, rejected = sums.means()
        values = {
            "chosen": chosen,
            "rejected": rejected,
            # The less likely answer decides whether the policy can reach the pair.
            "least": np.minimum(chosen, rejected),
            # WPO, eq. 2: the product of both answers' aligned probabilities.
            "weight": np.exp(chosen + rejected),
        }
        return with_status(values, sums)


def aligned_sums(network: CausalNetwork, batch: TreeBatch) -> Tensor:
    """Return (A, 2): sums over tokens of log pi(y_t) - log sum_v pi(v)^2, and token counts."""
    return token_sums(batch, network.token_values(batch, network.hidden(batch), _aligned_logprobs))


def _aligned_logprobs(logits: Tensor, token: Tensor) -> Tensor:
    # In logarithms, so that a vocabulary of tiny probabilities does not underflow.
    logs = logits.log_softmax(dim=1)
    return logs.gather(1, token[:, None])[:, 0] - (2.0 * logs).logsumexp(dim=1)
