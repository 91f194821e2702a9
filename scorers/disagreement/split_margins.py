"""Margins of general heads, split into what a reward holds and what none can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from curate.scoring import batch_slices
from curate.scoring.annotators import AnnotatorVotes, PreferenceGroups
from curate.scoring.heads import FeatureMatrix, gather_held_out_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ROWS = 8192


def reward_component(votes: AnnotatorVotes, groups: PreferenceGroups) -> NDArray[np.float64]:
    """Return R(c) - R(r) of each group's held-out head, with R(a) = s(a, m); (pairs, K).

    With s bilinear and s(a, a) = 0, s(c, r) = s(c, m) - s(r, m) + s(c - m, r - m) for any m, where
    a difference has no constant. m is the mean of all answers, so that the last part, which no
    reward holds, has mean 0 over partners drawn from the data: the split is that of a preference
    into gradient and curl.
    """
    mean = mean_answer(votes.chosen, votes.rejected)
    heads = groups.heads

    def part(chosen: Tensor, rejected: Tensor) -> Tensor:
        return heads.margins(chosen, mean) - heads.margins(rejected, mean)

    return gather_held_out_values(part, votes.chosen, votes.rejected, groups.head_of)


def mean_answer(chosen: FeatureMatrix, rejected: FeatureMatrix) -> Tensor:
    """Return the mean features of all answers, (1, dim); it does not depend on the labels."""
    total = torch.zeros(chosen.shape[1], dtype=torch.float64)
    for rows in batch_slices(len(chosen), _ROWS):
        for side in (chosen, rejected):
            # In double: a sum of millions of single-precision values loses their last digits.
            total += side[rows].double().sum(dim=0).cpu()
    mean = total / max(2 * len(chosen), 1)
    return mean.float()[None].to(chosen.device)
