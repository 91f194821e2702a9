"""A causal transformer in two parts: hidden states of all tokens, logits of the wanted ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from curate.models.embed.batching import is_out_of_memory
from curate.models.lm.self_check import compare_exactly
from curate.models.lm.trees import MAX_TREE, PromptTree, TreeBatch, pad_trees

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

TokenValues = Callable[[Tensor, Tensor], Tensor]
"""From logits (n, V) and the tokens that came (n,) to a value for each, (n,)."""
# Logits of a large vocabulary are many times the size of all else: 64 MB at a time.
_LOGITS_AT_ONCE = 1 << 24


class CausalNetwork:
    """One copy of a causal model on one device.

    The output layer is applied only where a token is predicted that counts: of a batch's tokens
    those of the answers. Whether that, and the mask by which answers share a prompt, give what the
    model's own forward pass gives is tried on a few tokens when the model is loaded; where not, the
    slow way is taken.

    Attributes:
        linear_head: the logits are a linear map of `hidden`, up to a known scale or soft cap.
        shares: the model takes the mask of a tree.
        scale: factor of the logits.
        longest_tree: tokens of a tree at most; a sliding window of attention limits it.
        batch_tokens: in a batch of plain rows.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        pad: int,
        device: str,
        compiled: bool = False,
        batch_tokens: int = 2048,
    ) -> None:
        self.model, self.pad, self.device = model, pad, device
        self.batch_tokens = batch_tokens
        self._decoder = self._plain_decoder = _find_decoder(model)
        self._head = model.get_output_embeddings()
        self.scale = _logit_scale(model.config)
        self._cap: float | None = getattr(model.config, "final_logit_softcapping", None)
        self.linear_head = self._head is not None
        self.linear_head = self.linear_head and self._try_head()
        self.shares = self._try_tree()
        window = getattr(model.config.get_text_config(), "sliding_window", None)
        self.longest_tree = min(MAX_TREE, int(window or MAX_TREE))
        if compiled:
            self._decoder = torch.compile(self._decoder, dynamic=True)

    @property
    def capped(self) -> bool:
        """Return whether a soft cap bends the logits."""
        return self._cap is not None

    @property
    def tied(self) -> bool:
        """Return whether the output layer is also the input embedding."""
        return bool(self._head is not None and self._head.weight is self._inputs().weight)

    def _inputs(self) -> torch.nn.Module:
        embeddings: torch.nn.Module = self.model.get_input_embeddings()
        return embeddings

    @property
    def head_weight(self) -> Tensor:
        """Return the output layer, (V, d)."""
        weight: Tensor = self._head.weight
        return weight

    @cached_property
    def head_square(self) -> Tensor:
        """Return the squared norm of the output layer, in double precision; a scalar."""
        # A copy of the whole layer in single precision would take gigabytes.
        pieces = torch.split(self.head_weight, self.rows_at_once)
        squares = [piece.float().square().sum(dtype=torch.float64) for piece in pieces]
        return torch.stack(squares).sum()

    def batch(self, trees: list[PromptTree]) -> TreeBatch:
        """Return the trees as a batch on this device."""
        return pad_trees(trees, self.pad).to(self.device)

    def hidden(self, batch: TreeBatch) -> Tensor:
        """Return what the output layer sees, (B T, d); logits, (B T, V), if it cannot be taken
        apart."""
        mask = batch.mask
        if mask.dim() == 4 and self.model.config._attn_implementation == "eager":
            # Eager attention adds the mask to its scores.
            dtype = self.model.dtype
            mask = torch.where(mask, 0.0, torch.finfo(dtype).min).to(dtype)
        # Positions are given, since the tokens of several answers lie behind one prompt.
        inputs = {
            "input_ids": batch.ids,
            "attention_mask": mask,
            "position_ids": batch.positions,
            "use_cache": False,
        }
        if self.linear_head:
            out = self._decoder(**inputs).last_hidden_state
        else:
            out = self.model(**inputs).logits
        return out.flatten(0, 1)  # type: ignore[no-any-return]

    def decoder_states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return last hidden states (B, T, d) of plain rows; `mask` is true at real tokens."""
        # Never compiled: hooks that adapt its layers come and go, and each would compile anew.
        out: Tensor = self._plain_decoder(
            input_ids=ids, attention_mask=mask.long(), use_cache=False
        ).last_hidden_state
        return out

    def logits(self, hidden: Tensor) -> Tensor:
        """Return logits (n, V) in float32 of rows (n, d) of `hidden`."""
        if not self.linear_head:
            return hidden.float()
        logits: Tensor = self._head(hidden).float() * self.scale
        return logits if self._cap is None else self._cap * torch.tanh(logits / self._cap)

    def token_logprobs(self, batch: TreeBatch, hidden: Tensor) -> Tensor:
        """Return log-probability of each answer token of the batch in nats, (N,), in float32."""
        return self.token_values(batch, hidden, _token_logprobs)

    def token_values(self, batch: TreeBatch, hidden: Tensor, of: TokenValues) -> Tensor:
        """Return `of` of each answer token, (N,): a bounded number of tokens' logits is held at a
        time."""
        rows = self.rows_at_once
        chunks = [torch.empty(0, device=hidden.device)]
        for at, token in zip(
            torch.split(batch.predictor, rows), torch.split(batch.target, rows), strict=True
        ):
            chunks.append(of(self.logits(hidden[at]), token))
        return torch.cat(chunks)

    @property
    def rows_at_once(self) -> int:
        """Return tokens whose logits are held at a time."""
        return max(_LOGITS_AT_ONCE // int(self.model.config.get_text_config().vocab_size), 1)

    def _try_head(self) -> bool:
        """Return whether hidden states and output layer give the model's own logits."""
        # Models hide scales, caps and norms before their logits: trying beats knowing all families.
        batch = self.batch([PromptTree((1, 2, 3), ((4, 5),), (0,))])

        def compare() -> tuple[Tensor, Tensor]:
            mine = self.logits(self.hidden(batch))
            return mine, self.model(input_ids=batch.ids, use_cache=False).logits.flatten(0, 1)

        return compare_exactly(self.model, compare)

    def _try_tree(self) -> bool:
        """Return whether two answers that share a prompt get the same values as separately."""
        prompt, answers = tuple(range(1, 9)), ((4, 5, 6, 7, 8), (9, 3, 2))
        together = self.batch([PromptTree(prompt, answers, (0, 1))])
        alone = [self.batch([PromptTree(prompt, (a,), (0,))]) for a in answers]

        def compare() -> tuple[Tensor, Tensor]:
            theirs = torch.cat([self.token_logprobs(b, self.hidden(b)) for b in alone])
            return self.token_logprobs(together, self.hidden(together)), theirs

        try:
            return compare_exactly(self.model, compare)
        # A model may refuse a mask of four dimensions in many ways.
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            if is_out_of_memory(error):
                raise
            return False


def _token_logprobs(logits: Tensor, token: Tensor) -> Tensor:
    return logits.gather(1, token[:, None])[:, 0] - logits.logsumexp(dim=1)


def _find_decoder(model: PreTrainedModel) -> PreTrainedModel:
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else None
    return decoder if decoder is not None else model.base_model


def _logit_scale(config: PretrainedConfig) -> float:
    """Return the factor of the logits that some families have."""
    scale = getattr(config, "logit_scale", None)
    divisor = getattr(config, "logits_scaling", None)
    return float(scale if scale is not None else 1.0) / float(divisor or 1.0)
