"""Implicit reward of a policy: DPO's against a reference, SimPO's by length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import polars as pl
from pydantic import Field, model_validator
from scipy.special import expit

from curate import HIGHER, Column, Context, Input, Parameters, Scope, Scorer
from curate.scoring import MODEL_STATUS, Model, answer_logprobs, with_status

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from curate.scoring import AnswerLogprobs

# Defaults of the papers: DPO sums log-probabilities, SimPO averages them over tokens.
_DEFAULT_BETA = {"dpo": 0.1, "simpo": 2.0}


class ImplicitRewardParams(Parameters):
    """Parameters of `implicit_reward`."""

    policy: Model = Field(description="Model that was tuned on preferences.")
    reference: Model | None = Field(
        None, description="Model that the policy was tuned from; only for dpo."
    )
    loss: Literal["dpo", "simpo"] = Field("dpo", description="Whose reward: dpo or simpo.")
    beta: float | None = Field(
        None, gt=0, description="Scale of the reward; default 0.1 for dpo, 2.0 for simpo."
    )
    gamma: float = Field(0.0, ge=0, description="Target margin, subtracted before the probability.")

    @model_validator(mode="after")
    def _reference(self) -> ImplicitRewardParams:
        if (self.loss == "dpo") != (self.reference is not None):
            raise ValueError("dpo needs a reference, simpo has none")
        return self


class ImplicitReward(Scorer[ImplicitRewardParams]):
    """Compute the implicit reward of a policy.

    For DPO r = beta (log pi(y|x) - log pi_ref(y|x)) (arXiv 2305.18290, eq. 5); for SimPO r = beta /
    |y| log pi(y|x) (arXiv 2405.14734, eq. 4). `margin` is chosen minus rejected in nats,
    `probability` sigma(margin - gamma). Use it when a tuned policy and its reference are available:
    it is the margin that DPO itself would see.

    Examples:
        >>> step = ImplicitReward(policy="org/policy", loss="simpo")
        >>> [column.name for column in step.columns()]
        ['margin', 'chosen', 'rejected', 'probability', 'status']
    """

    name = "implicit_reward"
    purpose = "rewards and models"
    when = "When a policy and its reference are available: the margin that DPO itself would see."
    summary = "margin of a policy's implicit reward: DPO against a reference, or SimPO by length"
    reference = "DPO, arXiv 2305.18290, eq. 5; SimPO, arXiv 2405.14734, eq. 4"
    inputs = frozenset({Input.TEXTS, Input.MODEL})
    scope = Scope.ROW
    Params = ImplicitRewardParams

    def columns(self) -> tuple[Column, ...]:
        """Return rewards, their difference and the probability of the label."""
        return (
            Column(
                "margin", "chosen minus rejected reward", "float", HIGHER, "nats", evidence="auto"
            ),
            Column("chosen", "implicit reward of the chosen answer", unit="nats"),
            Column("rejected", "implicit reward of the rejected answer", unit="nats"),
            Column("probability", "sigma(margin - gamma) of the label", "float", HIGHER, "0 to 1"),
            MODEL_STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return rewards of a batch."""
        p = self.params
        policy = answer_logprobs(pairs, context, p.policy)
        logprobs = [policy]
        if p.reference is not None:
            logprobs.append(answer_logprobs(pairs, context, p.reference))
        # DPO sums over tokens and SimPO averages, so their scales of beta differ.
        beta = _DEFAULT_BETA[p.loss] if p.beta is None else p.beta
        chosen, rejected = (beta * side for side in _unscaled_rewards(logprobs))
        values = {
            "margin": chosen - rejected,
            "chosen": chosen,
            "rejected": rejected,
            "probability": expit(chosen - rejected - p.gamma),
        }
        return with_status(values, *logprobs)


def _unscaled_rewards(
    logprobs: list[AnswerLogprobs],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rewards without beta, by the policy only or against the reference."""
    # SimPO, eq. 4: the mean over tokens, without a reference.
    if len(logprobs) == 1:
        return logprobs[0].means()
    # DPO, eq. 5; the partition function cancels in the margin.
    policy, reference = logprobs
    return policy.chosen - reference.chosen, policy.rejected - reference.rejected
