"""Log-probabilities and hidden states of answers by a causal language model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from curate.models.embed.batching import (
    delay_by_one,
    run_on_replicas,
    run_with_oom_retry,
    token_budget_batches,
)
from curate.models.lm.loading import (
    devices_of,
    load_causal,
    load_tokenizer,
    model_fingerprint,
    precision_of,
)
from curate.models.lm.network import CausalNetwork
from curate.models.lm.tokens import ConversationEncoder, EncodedConversation
from curate.models.lm.trees import PromptTree, TreeBatch, build_prompt_trees

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.models import Inference, ModelSpec

_WASTE = 0.04
"""Share of padding that closes a batch."""
Measure = Callable[[CausalNetwork, TreeBatch], Tensor]
"""From a batch to (A, width) values, one row for each of its answers."""

Values = Iterator[tuple[Sequence[int], "NDArray[np.float64]"]]
"""Row numbers, and one row of values for each of them, batch by batch."""
MeasuredRows = tuple[tuple[int, ...], Tensor]
"""Row numbers, and their values on the device that computes them."""


@dataclass
class TokenUsage:
    """Tokens that went through a model: all, padding among them, and those that sharing saved."""

    computed: int = 0
    padding: int = 0
    shared: int = 0


class LanguageModel:
    """A causal model on one or several devices; its weights are loaded when they are needed."""

    def __init__(self, spec: ModelSpec, settings: Inference) -> None:
        self.spec, self.settings = spec, settings
        self.usage = TokenUsage()

    @cached_property
    def identity(self) -> tuple[str, ...]:
        """Return what a conversation's values depend on besides its text: weights, type,
        lengths."""
        s = self.settings
        return (
            model_fingerprint(self.spec),
            precision_of(s),
            str((s.max_prompt_tokens, s.max_answer_tokens)),
        )

    @cached_property
    def encoder(self) -> ConversationEncoder:
        """Return the encoder, which writes conversations as tokens."""
        return ConversationEncoder(self._tokenizer, self.settings)

    @cached_property
    def _tokenizer(self) -> object:
        return load_tokenizer(self.spec)

    @cached_property
    def networks(self) -> list[CausalNetwork]:
        """Return one copy of the model a device."""
        pad = int(getattr(self._tokenizer, "pad_token_id", 0) or 0)
        s = self.settings
        return [
            CausalNetwork(load_causal(self.spec, s, device), pad, device, s.compile, s.batch_tokens)
            for device in devices_of(s)
        ]

    def logprobs(self, encoded: Sequence[EncodedConversation]) -> Values:
        """Return sum of each answer's token log-probabilities in nats and their number, by batches.

        An answer's first token is left out of both where nothing stands before it.
        """
        return self.measure(encoded, answer_sums)

    def measure(self, encoded: Sequence[EncodedConversation], of: Measure) -> Values:
        """Yield `of` of every answer: rows of `encoded` and their values, batch by batch."""
        sharing = self.settings.share_prompts and self.networks[0].shares
        trees = build_prompt_trees(encoded, sharing, self.networks[0].longest_tree)
        return self._measure([[tree] for tree in trees], encoded, of)

    def measure_pairs(self, encoded: Sequence[EncodedConversation], of: Measure) -> Values:
        """Measure rows as `measure` does, rows 2 i and 2 i + 1 always side by side in one batch."""
        sharing = self.settings.share_prompts and self.networks[0].shares
        groups = []
        for row in range(0, len(encoded), 2):
            pair = build_prompt_trees(
                encoded[row : row + 2], sharing, self.networks[0].longest_tree
            )
            groups.append([replace(t, rows=tuple(row + r for r in t.rows)) for t in pair])
        return self._measure(groups, encoded, of)

    def _measure(
        self, groups: list[list[PromptTree]], encoded: Sequence[EncodedConversation], of: Measure
    ) -> Values:
        self.usage.shared += sum(len(e) for e in encoded)
        self.usage.shared -= sum(len(t) for group in groups for t in group)
        batches = self._batches(groups)

        def run(network: CausalNetwork, batch: list[list[PromptTree]]) -> list[MeasuredRows]:
            name = f"{self.spec.name} on {network.device}"
            return run_with_oom_retry(batch, lambda part: [_run_groups(network, part, of)], name)

        for measured in delay_by_one(run_on_replicas(self.networks, batches, run)):
            # One copy from the device for a whole batch, whatever it was halved into.
            values = torch.cat([value for _, value in measured]).double().cpu().numpy()
            yield [row for rows, _ in measured for row in rows], values

    def _batches(self, groups: list[list[PromptTree]]) -> list[list[list[PromptTree]]]:
        """Return groups by token budget; those of several answers apart, since only they need a
        mask."""
        batches = []
        for several in (False, True):
            part = [g for g in groups if any(len(t.answers) > 1 for t in g) == several]
            width = np.array([len(g) * max(len(t) for t in g) for g in part], dtype=np.int64)
            for rows in token_budget_batches(width, self.settings.batch_tokens, _WASTE):
                batches.append([part[i] for i in rows])
                trees = [len(t) for i in rows for t in part[i]]
                self.usage.computed += len(trees) * max(trees)
                self.usage.padding += len(trees) * max(trees) - sum(trees)
        return batches


def _run_groups(
    network: CausalNetwork, groups: Sequence[list[PromptTree]], of: Measure
) -> MeasuredRows:
    with torch.inference_mode():
        batch = network.batch([tree for group in groups for tree in group])
        return batch.rows, of(network, batch)


def answer_sums(network: CausalNetwork, batch: TreeBatch) -> Tensor:
    """Return (A, 2): sum of token log-probabilities, and number of tokens, of each answer."""
    return token_sums(batch, network.token_logprobs(batch, network.hidden(batch)))


def token_sums(batch: TreeBatch, values: Tensor) -> Tensor:
    """Return (A, 2): sum and number of the token values (N,) of each answer."""
    out = torch.zeros(len(batch.rows), 2, dtype=torch.float64, device=values.device)
    out[:, 0].index_add_(0, batch.owner, values.double())
    out[:, 1].index_add_(0, batch.owner, torch.ones_like(values, dtype=torch.float64))
    return out
