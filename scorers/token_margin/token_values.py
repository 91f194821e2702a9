"""The log-probability of each token of an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from curate.scoring.lm import (
    NO_TOKENS,
    CausalNetwork,
    ConversationRenderer,
    TreeBatch,
    load_language_model,
    record_truncation,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate import Context
    from curate.scoring.lm import Conversations, ModelSpec


@dataclass(frozen=True)
class TokenLogprobs:
    """The answer tokens of each conversation.

    Attributes:
        ids: (conversations, width) token ids, -1 behind the end.
        values: (conversations, width) log-probabilities in nats, NaN behind the end; that of a
            first token with nothing before it is NaN too.
        problem: by conversation, why it has none.
    """

    ids: NDArray[np.int64]
    values: NDArray[np.float64]
    problem: dict[int, str]


def answer_token_logprobs(texts: Conversations, context: Context, spec: ModelSpec) -> TokenLogprobs:
    """Return log-probabilities of the answers' tokens by a causal model; the store does not keep
    them."""
    model = load_language_model(context, spec)
    rendered = ConversationRenderer(texts, model)
    encoded = rendered.encode(list(range(len(texts))))
    width = max((len(e.answer) for _, e in encoded), default=0)
    ids = np.full((len(texts), width), -1, dtype=np.int64)
    values = np.full((len(texts), width), np.nan)
    for row, one in encoded:
        ids[row, : len(one.answer)] = one.answer
    rows = [row for row, _ in encoded]
    tokens = [one for _, one in encoded]
    record_truncation(context.report, spec.name, tokens)

    def of(network: CausalNetwork, batch: TreeBatch) -> Tensor:
        return _pad_left(batch, network.token_logprobs(batch, network.hidden(batch)), width)

    with context.progress.task(f"{spec.name}: tokens", len(tokens)) as task:
        for at, batch_values in model.measure(tokens, of):
            for number, row in zip(at, batch_values, strict=True):
                length = len(tokens[number].answer)
                # Values stand at the right: the first token may have none.
                values[rows[number], :length] = row[width - length :]
            task.advance(len(at))
    empty = [row for row in range(len(texts)) if not np.isfinite(values[row]).any()]
    return TokenLogprobs(ids, values, {row: rendered.refused.get(row, NO_TOKENS) for row in empty})


def _pad_left(batch: TreeBatch, values: Tensor, width: int) -> Tensor:
    """Return the values (N,) of each answer at the right of a row, (A, width), NaN before them."""
    counts = torch.bincount(batch.owner, minlength=len(batch.rows))
    within = torch.arange(len(values), device=values.device)
    within = within - (counts.cumsum(0) - counts)[batch.owner]
    place = width - counts[batch.owner] + within
    out = torch.full((len(batch.rows), width), torch.nan, device=values.device)
    out[batch.owner, place] = values.float()
    return out
