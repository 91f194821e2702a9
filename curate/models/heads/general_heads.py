"""General preference heads: antisymmetric scores of two answers, which can hold cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from curate.models.heads.feature_matrix import FeatureMatrix
from curate.models.heads.modules import Heads, HeadSpec, fit_heads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A start at 0 is a saddle point of a skew-symmetric form.
_INIT, _LEARNING_RATE = 0.3, 0.03
GENERAL_L2 = 3.0
"""Precision of the prior on general heads unless another is asked for."""


class GeneralHeads(Heads):
    """s(c, r) = <R v_c, v_r> with v = W [e, 1] and R of 2 x 2 blocks [[0, -1], [1, 0]].

    s(c, r) = -s(r, c) exactly, and the constant lets one block hold a Bradley-Terry reward, which
    the head thus generalises (GPM, arXiv 2410.02197). `weight` is (heads, dim + 1, 2 blocks). The
    temperature is left to the size of the weights.
    """

    def __init__(
        self, dim: int, blocks: int, heads: int, init: float, generator: torch.Generator
    ) -> None:
        super().__init__(heads)
        start = torch.randn(heads, dim + 1, 2 * blocks, generator=generator)
        # Scaled by the number of coordinates, so that starting margins do not grow with the blocks.
        self.weight = nn.Parameter(init * start / (2.0 * blocks) ** 0.5)
        with torch.no_grad():
            # Away from 0, where the product of both factors has no gradient.
            self.weight[:, -1, ::2] += 1.0

    def _embedded(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return both halves of the blocks of v, (heads, pairs, blocks) each."""
        vectors = torch.matmul(features, self.weight[:, :-1]) + self.weight[:, -1:]
        return vectors[..., ::2], vectors[..., 1::2]

    def margins(self, chosen: Tensor, rejected: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return scores of all heads, (pairs, heads); `mask` is not supported."""
        if mask is not None:
            raise NotImplementedError("general heads have no dropout")
        first, second = self._embedded(chosen), self._embedded(rejected)
        # GPM's <R v_c, v_r> with R written out: each 2 x 2 block is a cross product.
        scores = (first[1] * second[0] - first[0] * second[1]).sum(dim=-1)
        return scores.T

    def units(self) -> int:
        """Return the number of coordinates of v."""
        return self.weight.shape[2]


def train_general(
    chosen: FeatureMatrix,
    rejected: FeatureMatrix,
    weights: Tensor,
    seed: int,
    blocks: int = 3,
    l2: float = GENERAL_L2,
    row_order: NDArray[np.int64] | None = None,
) -> GeneralHeads:
    """Return fresh heads, one for each column of the (pairs, heads) weights, trained as one
    batch."""
    generator = torch.Generator().manual_seed(seed)
    heads = GeneralHeads(chosen.shape[1], blocks, weights.shape[1], _INIT, generator)
    spec = HeadSpec(l2=l2, learning_rate=_LEARNING_RATE)
    fit_heads(heads.to(chosen.device), chosen, rejected, weights, spec, seed, row_order)
    return heads
