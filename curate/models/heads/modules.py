"""Bradley-Terry reward heads on fixed features, many trained as one batched ensemble."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from curate.errors import CurateError, first_line
from curate.models.embed.batching import is_out_of_memory
from curate.models.embed.device import move_to_device
from curate.models.heads.adam import CosineAdam
from curate.models.heads.feature_matrix import FeatureMatrix
from curate.models.heads.losses import LossKind, make_loss
from curate.models.heads.one_thread import threads_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from curate.models.lm.network import CausalNetwork
    from curate.steps.models import ModelSpec

HeadKind = Literal["linear", "mlp", "lora"]


@dataclass(frozen=True)
class HeadSpec:
    """How heads are built and trained.

    Attributes:
        kind: "linear" (reward w.e), "mlp" (one hidden layer), "lora" (a language model adapted).
        hidden: units of the hidden layer.
        l2: precision of the Gaussian prior on the weights, for features whose differences have a
            root-mean-square norm of 1. It stands beside the summed loss, so that its effect fades
            as pairs are added.
        dropout: share of features (linear) or hidden units (mlp) dropped in training.
        steps: optimiser steps at least; more when `min_epochs` asks for them.
        min_epochs: passes over the pairs at least.
        batch: pairs in one step.
        learning_rate: of Adam at the start; it falls to 0 by a half cosine.
        init: scale of the random start of the output layer, where 1 gives margins of about 1.
        loss: of a margin; "bt", or one that is robust against wrong labels.
        loss_parameter: of that loss; None for its default.
        model: that "lora" adapts.
        rank: of its adapters.
        network: the loaded model.
    """

    kind: HeadKind = "linear"
    hidden: int = 64
    l2: float = 10.0
    dropout: float = 0.0
    steps: int = 300
    min_epochs: int = 3
    batch: int = 512
    learning_rate: float = 0.1
    init: float = 0.1
    loss: LossKind = "bt"
    loss_parameter: float | None = None
    model: ModelSpec | None = None
    rank: int = 8
    network: CausalNetwork | None = None


class Heads(nn.Module):
    """M reward heads side by side; a margin is reward(chosen) - reward(rejected).

    No head has a bias that could favour a slot: swapping chosen and rejected negates every margin
    exactly.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def margins(self, chosen: Tensor, rejected: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return margins of all heads, shape (pairs, heads), from features of shape (pairs, dim).

        `mask` of shape (pairs, units) or (1, units) multiplies the droppable units.
        """
        raise NotImplementedError

    def seen_norm(self, chosen: Tensor, rejected: Tensor) -> Tensor:
        """Return ||h_chosen - h_rejected|| of what the output layer sees, shape (pairs, heads)."""
        raise NotImplementedError

    def output_norm(self) -> Tensor:
        """Return ||w|| of the output layer's weights, shape (heads,)."""
        raise NotImplementedError

    def masked_margins(self, chosen: Tensor, rejected: Tensor, head: int, masks: Tensor) -> Tensor:
        """Return margins of one head under each of the (passes, units) masks, shape (pairs,
        passes)."""
        raise NotImplementedError

    def units(self) -> int:
        """Return the number of units that dropout masks."""
        raise NotImplementedError

    def halve_batches(self) -> bool:
        """Compute in parts of half the size from now on; return False where there are no parts."""
        return False

    def penalty(self) -> Tensor:
        """Return half the squared norm of the weights, summed over heads."""
        squares = [p.square().sum() for p in self.parameters()]
        return 0.5 * torch.stack(squares).sum()


class LinearHeads(Heads):
    """reward(e) = w.e; `weight` has shape (dim, heads)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__(weight.shape[1])
        self.weight = nn.Parameter(weight)

    def margins(self, chosen: Tensor, rejected: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (chosen - rejected) @ weight, with features masked where a mask is given."""
        difference = chosen - rejected
        if mask is not None:
            difference = difference * mask
        return difference @ self.weight

    def seen_norm(self, chosen: Tensor, rejected: Tensor) -> Tensor:
        """Return norms of the feature differences, the same for every head."""
        norms: Tensor = (chosen - rejected).norm(dim=1, keepdim=True).expand(-1, self.heads)
        return norms

    def output_norm(self) -> Tensor:
        """Return norms of the weights."""
        norms: Tensor = self.weight.norm(dim=0)
        return norms

    def masked_margins(self, chosen: Tensor, rejected: Tensor, head: int, masks: Tensor) -> Tensor:
        """Return margins by one product: a mask on the features is a mask on the weights."""
        # Masking the weights needs one product for all passes; masking features needs one for each.
        return (chosen - rejected) @ (masks * self.weight[:, head]).T

    def dropout_variance(self, chosen: Tensor, rejected: Tensor, rate: float) -> Tensor:
        """Return variance of each margin over inverted dropout of features, shape (pairs, heads).

        A mask keeps its mean and gives each product w_j d_j the variance w_j^2 d_j^2 rate /
        (1 - rate), independent of the others.
        """
        squares = (chosen - rejected).square() @ self.weight.square()
        return squares * (rate / (1.0 - rate))

    def units(self) -> int:
        """Return the number of features."""
        return self.weight.shape[0]


class HiddenHeads(Heads):
    """reward(x) = v.h(x): heads with an output layer `last`, (heads, hidden), over hidden units."""

    last: nn.Parameter

    def _hidden(self, features: Tensor, head: int | None = None) -> Tensor:
        """Return hidden units, (heads, pairs, hidden), of all heads or of one."""
        raise NotImplementedError

    def hidden_difference(
        self, chosen: Tensor, rejected: Tensor, head: int | None = None
    ) -> Tensor:
        """Return hidden units of chosen minus those of rejected, shape (heads, pairs, hidden)."""
        return self._hidden(chosen, head) - self._hidden(rejected, head)

    def margins(self, chosen: Tensor, rejected: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the difference of rewards, with hidden units masked where a mask is given."""
        difference = self.hidden_difference(chosen, rejected)
        if mask is not None:
            difference = difference * mask
        return torch.einsum("mnh,mh->nm", difference, self.last)

    def seen_norm(self, chosen: Tensor, rejected: Tensor) -> Tensor:
        """Return norms of the hidden differences."""
        norms: Tensor = self.hidden_difference(chosen, rejected).norm(dim=2).T
        return norms

    def output_norm(self) -> Tensor:
        """Return norms of the output weights."""
        norms: Tensor = self.last.norm(dim=1)
        return norms

    def masked_margins(self, chosen: Tensor, rejected: Tensor, head: int, masks: Tensor) -> Tensor:
        """Return margins by one matrix product on the head's hidden differences."""
        hidden = self.hidden_difference(chosen, rejected, head)[0]
        return hidden @ (masks * self.last[head]).T

    def units(self) -> int:
        """Return the number of hidden units."""
        return self.last.shape[1]


class MLPHeads(HiddenHeads):
    """reward(e) = v.gelu(W e + b); W has shape (heads, dim, hidden)."""

    def __init__(
        self, dim: int, hidden: int, heads: int, init: float, generator: torch.Generator
    ) -> None:
        super().__init__(heads)
        first = torch.randn(heads, dim, hidden, generator=generator)
        last = torch.randn(heads, hidden, generator=generator)
        # Variance 1 / fan-in, so that hidden units start at variance 1 whatever the width.
        self.first = nn.Parameter(first / math.sqrt(dim))
        self.bias = nn.Parameter(torch.zeros(heads, 1, hidden))
        # Small at first: confident random margins would have to be unlearned.
        self.last = nn.Parameter(init * last / math.sqrt(hidden))

    def _hidden(self, features: Tensor, head: int | None = None) -> Tensor:
        head_slice = slice(None) if head is None else slice(head, head + 1)
        # Features of norm about 1 are brought to variance 1 for the hidden layer.
        scaled = features * math.sqrt(features.shape[-1])
        return functional.gelu(torch.matmul(scaled, self.first[head_slice]) + self.bias[head_slice])


def dropout_mask(rows: int, units: int, rate: float, generator: torch.Generator) -> Tensor:
    """Return inverted dropout masks: 0 with probability `rate`, else 1 / (1 - rate); (rows,
    units)."""
    # On the CPU, where a seed gives the same masks as on any device.
    keep = torch.rand(rows, units, generator=generator) >= rate
    return keep.float() / (1.0 - rate)


class Optimiser:
    """Adam with a half-cosine schedule on l2-penalised weighted losses of batches."""

    def __init__(self, heads: Heads, spec: HeadSpec, total: int, steps: int) -> None:
        self._heads, self._l2, self._total = heads, spec.l2, total
        self._adam = CosineAdam(heads.parameters(), spec.learning_rate, steps)

    def step(self, losses: Tensor, weights: Tensor) -> None:
        """One step on (rows, heads) losses and weights of a batch of `total` pairs."""
        # The batch stands for all pairs, else the prior would weigh more in small batches.
        fit = (weights * losses).sum() * (self._total / len(losses))
        # Divided by the number of pairs, so that one learning rate serves any size.
        objective = (fit + self._l2 * self._heads.penalty()) / self._total
        self._adam.minimise(objective)


def rows_in_order(positions: Tensor, row_order: NDArray[np.int64] | None) -> Tensor:
    """Return the rows at drawn places of an order of rows; None: places are rows."""
    return positions if row_order is None else torch.from_numpy(row_order)[positions]


def _drawn_batches(
    features: FeatureMatrix,
    batch: int,
    steps: int,
    generator: torch.Generator,
    row_order: NDArray[np.int64] | None,
) -> Iterator[Tensor]:
    """Yield the rows of each step on the features' device: each row once an epoch, as drawn."""
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) == 0:
            # Once an epoch, so that no batch waits for its rows.
            positions = torch.randperm(len(features), generator=generator)
            order = move_to_device(rows_in_order(positions, row_order), features.device)
        rows, order = order[:batch], order[batch:]
        yield rows


def _batch_mask(
    heads: Heads, rows: int, dropout: float, generator: torch.Generator, device: torch.device
) -> Tensor | None:
    """Return a dropout mask for a batch on the device of its features; None without dropout."""
    if dropout == 0:
        return None
    return move_to_device(dropout_mask(rows, heads.units(), dropout, generator), device)


def shrink_after_oom(heads: Heads, error: RuntimeError, device: torch.device) -> None:
    """Halve the parts in which heads compute after an error for lack of memory.

    Raises:
        RuntimeError: `error`, if memory was not its reason.
        CurateError: the parts are as small as they get.
    """
    if not is_out_of_memory(error):
        raise error
    if not heads.halve_batches():
        raise CurateError(
            "probe models do not fit into the device's memory",
            where=str(device),
            found=first_line(error),
            fix="set embedder: {device: cpu}, or fewer `repeats`, `folds` or `hidden` units",
        ) from None
    if device.type == "cuda":
        # What failed left blocks of its size behind, which smaller parts could not use.
        torch.cuda.empty_cache()


def fit_heads(
    heads: Heads,
    chosen: FeatureMatrix,
    rejected: FeatureMatrix,
    weights: Tensor,
    spec: HeadSpec,
    seed: int,
    row_order: NDArray[np.int64] | None = None,
) -> None:
    """Train all heads at once by Adam on the same batches, in place.

    Head j minimises sum_i weights[i, j] loss(margin_ij) + l2/2 |w_j|^2. A head that must not see
    a pair has weight 0 there.

    Args:
        heads: the heads to train.
        chosen: features of the preferred answers, (pairs, dim), difference norms about 1.
        rejected: features of the other answers.
        weights: (pairs, heads), not negative, or bool for 0 and 1.
        spec: optimiser settings.
        seed: of the order of batches and of dropout.
        row_order: (pairs,) rows in the order from which batches are drawn; default as they come.
    """
    loss = make_loss(spec.loss, spec.loss_parameter)
    generator = torch.Generator().manual_seed(seed)
    steps = max(spec.steps, math.ceil(len(chosen) / spec.batch) * spec.min_epochs)
    optimiser = Optimiser(heads, spec, len(chosen), steps)
    # Once: weights that stay with the host would be waited for in every step.
    weights = move_to_device(weights, chosen.device)
    with threads_for(spec.kind):
        for rows in _drawn_batches(chosen, spec.batch, steps, generator, row_order):
            mask = _batch_mask(heads, len(rows), spec.dropout, generator, chosen.device)
            while True:
                try:
                    margins = heads.margins(chosen[rows], rejected[rows], mask)
                    optimiser.step(loss(margins), weights[rows].to(margins))
                    break
                # No weight has changed yet, so that the step can be taken again.
                except RuntimeError as error:
                    shrink_after_oom(heads, error, chosen.device)
