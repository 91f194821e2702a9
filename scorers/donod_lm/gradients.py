"""What a pair's gradient of the output layer would be, without forming it (ghost norm).

For logits z_t = W h_t of the tokens that predict an answer, and errors
e_t = softmax(z_t) - onehot(y_t), the sums

    S_ab = sum over tokens s of a, t of b of (e_s . e_t)(h_s . h_t)
    A_a  = sum over tokens t of a of (E_softmax[z_t] - z_t[y_t])

are all that the gradients of the DPO and the SFT loss need. The error's inner products are

    e_s . e_t = p_s . p_t - p_s[y_t] - p_t[y_s] + [y_s = y_t]

so that one pass over the vocabulary in chunks, after one for the normalisers, suffices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from curate import CurateError
from curate.scoring.lm import CausalNetwork, TreeBatch

PAIR_SUMS = 10
"""S_ww, S_ll, S_wl, A_w, A_l, tokens of w and l, log-probabilities of w and l, ||W||_F^2."""
# 64 MB in single precision: rows of the output layer that are looked at in one piece.
_ELEMENTS = 1 << 24
# 256 MB: products above it are made anew in the second pass.
_KEPT_ELEMENTS = 1 << 26


@dataclass(frozen=True)
class _PairTokens:
    """The answer tokens of one pair: hidden states (n, d), targets (n,), and whose they are."""

    hidden: Tensor
    target: Tensor
    rejected: Tensor


def gradient_pair_sums(network: CausalNetwork, batch: TreeBatch) -> Tensor:
    """Return (A, 10) of a batch whose answers come in twos, chosen and rejected; both rows are the
    same.

    Raises:
        CurateError: the model's logits are not a linear map of its hidden states.
    """
    weight = _linear_weight(network)
    hidden = network.hidden(batch)
    rows = []
    for first in range(0, len(batch.rows), 2):
        mine = (batch.owner == first) | (batch.owner == first + 1)
        tokens = _PairTokens(
            hidden[batch.predictor[mine]], batch.target[mine], batch.owner[mine] == first + 1
        )
        sums = _token_sums(network, tokens, weight)
        rows += [torch.cat([sums, network.head_square[None].to(sums)])] * 2
    return torch.stack(rows)


def _linear_weight(network: CausalNetwork) -> Tensor:
    head_bias = getattr(network.model.get_output_embeddings(), "bias", None)
    if not network.linear_head or network.capped or head_bias is not None:
        raise CurateError(
            "the output layer of this model is not a plain linear map, which donod_lm needs",
            found=type(network.model).__name__,
            fix="use a model without soft cap and bias of its logits",
        )
    return network.head_weight


def _token_sums(network: CausalNetwork, tokens: _PairTokens, weight: Tensor) -> Tensor:
    exact = torch.float64 if weight.dtype == torch.float64 else torch.float32
    count = len(tokens.target)
    logits = _chunked_logits(network, tokens, weight, exact)
    chunk_normalisers = [z.logsumexp(1) for z in logits()]
    normaliser = torch.stack(chunk_normalisers).logsumexp(0)
    errors = torch.zeros(count, count, dtype=exact, device=weight.device)
    of_targets = torch.zeros_like(errors)
    expected, target_logit = torch.zeros(2, count, dtype=exact, device=weight.device)
    start = 0
    for z in logits():
        p = (z - normaliser[:, None]).exp()
        # Products of errors add up over the vocabulary: it is never held whole for all tokens.
        errors += p @ p.T
        expected += (p * z).sum(1)
        inside = (tokens.target >= start) & (tokens.target < start + z.shape[1])
        columns = tokens.target[inside] - start
        of_targets[:, inside] = p[:, columns]
        target_logit[inside] = z[inside, columns]
        start += z.shape[1]
    same = (tokens.target[:, None] == tokens.target).to(exact)
    # (p - onehot)(p' - onehot')' written out: a one-hot of the vocabulary is never made.
    errors += same - of_targets - of_targets.T
    states = tokens.hidden.to(exact)
    products = (errors * (states @ states.T) * network.scale**2).double()
    w, x = (~tokens.rejected).double(), tokens.rejected.double()
    gaps = (expected - target_logit).double()
    logprobs = (target_logit - normaliser).double()
    sums = [w @ products @ w, x @ products @ x, w @ products @ x]
    sums += [gaps @ w, gaps @ x, w.sum(), x.sum(), logprobs @ w, logprobs @ x]
    return torch.stack(sums)


def _chunked_logits(
    network: CausalNetwork, tokens: _PairTokens, weight: Tensor, exact: torch.dtype
) -> Callable[[], Iterable[Tensor]]:
    """Return logits (n, chunk) over the vocabulary; computed a second time where they would be
    large."""
    count = max(len(tokens.target), 1)
    chunks = torch.split(weight, max(_ELEMENTS // count, 1))

    def compute() -> Iterable[Tensor]:
        return (network.scale * (tokens.hidden @ w.T).to(exact) for w in chunks)

    if count * len(weight) > _KEPT_ELEMENTS:
        return compute
    stored_chunks = list(compute())
    return lambda: stored_chunks
