"""Log-probabilities under a mixture of two models' logits (SPA's decoupled noise detection)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from curate import CurateError
from curate.scoring import AnswerLogprobs, answer_logprobs
from curate.scoring.lm import (
    CausalNetwork,
    TreeBatch,
    load_language_model,
    measure_answers,
    token_sums,
)

if TYPE_CHECKING:
    import polars as pl

    from curate import Context
    from curate.scoring.lm import ModelSpec


def mixed_logprobs(
    pairs: pl.DataFrame, context: Context, policy: ModelSpec, reference: ModelSpec, mix: float
) -> AnswerLogprobs:
    """Return answers under softmax(mix z_policy + (1 - mix) z_reference), token by token.

    The models must share their tokenizer; mix = 1 is the policy, above 1 it extrapolates.
    """
    if mix == 1.0:
        return answer_logprobs(pairs, context, policy)
    base = load_language_model(context, reference)
    if base.encoder.vocabulary() != load_language_model(context, policy).encoder.vocabulary():
        raise CurateError(
            "the models do not share their tokenizer, so that their logits cannot be mixed",
            found=f"{policy.name} and {reference.name}",
            fix="take policy and reference from one family, or mix: 1",
        )
    kind = ("answers_mixed", str(mix), *base.identity)

    def of(network: CausalNetwork, batch: TreeBatch) -> Tensor:
        other = next(n for n in base.networks if n.device == network.device)
        states = network.hidden(batch), other.hidden(batch)
        # Some tokens at a time: logits of a whole vocabulary for all would not fit.
        rows = network.rows_at_once
        parts = [torch.empty(0, device=network.device)]
        for at, token in zip(
            torch.split(batch.predictor, rows), torch.split(batch.target, rows), strict=True
        ):
            z = mix * network.logits(states[0][at]) + (1.0 - mix) * other.logits(states[1][at])
            parts.append(z.gather(1, token[:, None])[:, 0] - z.logsumexp(dim=1))
        return token_sums(batch, torch.cat(parts))

    return measure_answers(pairs, context, policy, kind, of=of)
