"""Reward heads that adapt a causal language model: many LoRA adapters beside one frozen model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import polars as pl
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from curate.errors import CurateError
from curate.models.embed.device import move_to_device
from curate.models.heads.modules import HiddenHeads, shrink_after_oom
from curate.models.lm.answer_logprobs import load_language_model
from curate.models.lm.conversations import distinct_conversations, record_truncation
from curate.models.lm.hidden import encode_conversations

if TYPE_CHECKING:
    from curate.models.lm.network import CausalNetwork
    from curate.steps.context import Context
    from curate.steps.models import ModelSpec

_TARGETS = ("q_proj", "v_proj")
_SCALE = 2.0
"""LoRA's alpha / rank."""
# No token has it; real ids start at 0.
_EMPTY = -1


class LoRAHeads(HiddenHeads):
    """reward(x, y) = v.h / sqrt(d), with h the adapted model's state after the answer's last token.

    M adapters of rank r stand beside the query and value projections of every layer (Hu et al.
    2021, arXiv 2106.09685, sec. 4), W x + 2 B A x with B = 0 at the start; all M are run as one
    batch. h is divided by its root mean square. Units that dropout masks are those of h, so that
    the passes of one head cost one pass of the model; UPO also drops inside the adapters.
    """

    def __init__(
        self, network: CausalNetwork, rank: int, heads: int, init: float, generator: torch.Generator
    ) -> None:
        super().__init__(heads)
        # In a tuple: the frozen model's weights are not this module's parameters.
        self._frozen, self._batch_tokens = (network,), network.batch_tokens
        self._modules_at = _adapted_layers(network)
        width = int(network.model.config.get_text_config().hidden_size)
        self.down, self.up = nn.ParameterList(), nn.ParameterList()
        for module in self._modules_at:
            # Variance 1 / fan-in, so that A x has the size of x whatever the width of the layer.
            into, out = module.in_features, module.out_features
            start = torch.randn(heads, into, rank, generator=generator) / math.sqrt(into)
            self.down.append(nn.Parameter(start))
            # Zero: at the start every head is the frozen model.
            self.up.append(nn.Parameter(torch.zeros(heads, rank, out)))
        self.last = nn.Parameter(init * torch.randn(heads, width, generator=generator))
        self.last.data /= math.sqrt(width)

    def _hidden(self, features: Tensor, head: int | None = None) -> Tensor:
        """Return (heads, pairs, d) of token ids (pairs, T), padded at the end by -1."""
        while True:
            try:
                return self._hidden_in_batches(features, head)
            except RuntimeError as error:
                # In training the whole step is taken again, since going back needs more memory.
                if torch.is_grad_enabled():
                    raise
                shrink_after_oom(self, error, features.device)

    def _hidden_in_batches(self, features: Tensor, head: int | None) -> Tensor:
        head_slice = slice(0, self.heads) if head is None else slice(head, head + 1)
        count = self.heads if head is None else 1
        lengths = (features != _EMPTY).sum(dim=1)
        # By length, so that a batch pads little; the order is restored at the end.
        order = lengths.argsort()
        parts = []
        for rows in self._batches(lengths[order].tolist(), count):
            ids = features[order[rows], : int(lengths[order[rows]].max())]
            if torch.is_grad_enabled():
                # Activations of all heads would not fit: they are computed again going back.
                parts.append(checkpoint(self._states, ids, head_slice, use_reentrant=False))
            else:
                parts.append(self._states(ids, head_slice))
        return torch.cat(parts, dim=1)[:, order.argsort()]

    def halve_batches(self) -> bool:
        """Take half as many tokens at a time; return False at one token."""
        self._batch_tokens //= 2
        return self._batch_tokens > 0

    def _batches(self, lengths: list[int], heads: int) -> Iterator[slice]:
        """Yield rows, sorted by length, whose tokens times heads stay within the budget."""
        budget, start = self._batch_tokens, 0
        for end in range(1, len(lengths) + 1):
            full = end < len(lengths) and (end + 1 - start) * lengths[end] * heads > budget
            if full or end == len(lengths):
                yield slice(start, end)
                start = end

    def _states(self, ids: Tensor, head_slice: slice) -> Tensor:
        heads, rows = len(range(*head_slice.indices(self.heads))), len(ids)
        real = (ids != _EMPTY).repeat(heads, 1)
        with self._adapted(head_slice):
            states = self._frozen[0].decoder_states(ids.clamp_min(0).repeat(heads, 1), real)
        last = real.sum(dim=1) - 1
        # The state after the last token has seen the whole answer.
        last_states = states[torch.arange(len(states), device=states.device), last].float()
        last_states = last_states / last_states.square().mean(dim=1, keepdim=True).sqrt().clamp_min(
            1e-6
        )
        return last_states.reshape(heads, rows, -1)

    @contextmanager
    def _adapted(self, head_slice: slice) -> Iterator[None]:
        """Add the adapters of the wanted heads to the model's projections."""
        handles = [
            module.register_forward_hook(_adapter_hook(down[head_slice], up[head_slice]))
            for module, down, up in zip(self._modules_at, self.down, self.up, strict=True)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _adapter_hook(
    down: Tensor, up: Tensor
) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    heads = len(down)

    def add(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        layer_input = inputs[0].to(down.dtype).reshape(heads, -1, down.shape[1])
        change = _SCALE * torch.bmm(torch.bmm(layer_input, down), up)
        return output + change.reshape(output.shape).to(output.dtype)

    return add


def _adapted_layers(network: CausalNetwork) -> list[nn.Linear]:
    layers = [
        module
        for name, module in network.model.named_modules()
        if isinstance(module, nn.Linear) and name.endswith(_TARGETS)
    ]
    if not layers:
        raise CurateError(
            "the model has no projections that LoRA heads can adapt",
            found=type(network.model).__name__,
            expected=f"linear layers called {' and '.join(_TARGETS)}",
            fix="take a model of the Llama, Qwen, Mistral, Gemma... families",
        )
    return layers


def lora_inputs(
    pairs: pl.DataFrame, context: Context, spec: ModelSpec
) -> tuple[CausalNetwork, Tensor, Tensor]:
    """Return the frozen model, and token ids of prompt and answer, (pairs, T) each, padded by
    -1."""
    model, texts = load_language_model(context, spec), distinct_conversations(pairs)
    network = model.networks[0]
    network.model.requires_grad_(False)
    encoded = encode_conversations(texts, model)
    record_truncation(context.report, spec.name, encoded)
    rows = [[*e.prompt, *e.answer] for e in encoded]
    longest = max((len(row) for row in rows), default=1)
    ids = torch.full((len(rows), max(longest, 1)), _EMPTY, dtype=torch.long)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = torch.tensor(tokens)
    ids = move_to_device(ids, network.device)
    return network, ids[torch.from_numpy(texts.chosen)], ids[torch.from_numpy(texts.rejected)]
