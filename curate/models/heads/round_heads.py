"""Two linear heads for a round of self-annotation: one of people's labels only, and the best one.

Both are solved, out of fold by prompt: no pair is scored by a head that learnt from its prompt,
neither from people's labels nor from those that an earlier round wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from curate.models.heads.dropout_uncertainty import agreement_share, normal_uncertainty
from curate.models.heads.linear import solve_heads

if TYPE_CHECKING:
    from numpy.typing import NDArray

_L2, _DROPOUT = 10.0, 0.1
"""As `reward_margin` and UPO's adapters have them."""


@dataclass(frozen=True)
class LabelledPairs:
    """Pairs with labels to learn from.

    Attributes:
        chosen: (pairs, dim) vectors of the preferred answers.
        rejected: those of the other answers.
        fold: (pairs,) fold of each prompt.
        gold: (pairs,) whether people gave the label.
    """

    chosen: NDArray[np.float32]
    rejected: NDArray[np.float32]
    fold: NDArray[np.int64]
    gold: NDArray[np.bool_]


@dataclass(frozen=True)
class RoundHeads:
    """Coefficients by fold, (folds, dim) each, for vectors as they are."""

    gold: NDArray[np.float64]
    best: NDArray[np.float64]

    @classmethod
    def learn(cls, labelled: LabelledPairs, folds: int) -> RoundHeads:
        """Return both heads for each fold, learnt from the pairs of all other folds."""
        # In double: vectors may be half precision, and those of similar answers nearly cancel.
        difference = labelled.chosen.astype(np.float64) - labelled.rejected
        # Scaled as in `answer_feature_matrices`: the prior then means the same for every embedder.
        size = np.sqrt(np.square(difference).sum(axis=1).mean()) or 1.0
        both = (labelled.chosen, labelled.rejected)
        chosen, rejected = (torch.from_numpy(vectors / np.float32(size)) for vectors in both)
        # Columns are heads: the first five learn from gold labels, the last five from all.
        is_training_fold = labelled.fold[:, None] != np.arange(folds)
        weights = np.concatenate(
            [is_training_fold & labelled.gold[:, None], is_training_fold], axis=1
        )
        solved = solve_heads(chosen, rejected, torch.from_numpy(weights), _L2, _DROPOUT)
        gold, best = np.split(solved.double().numpy().T / size, 2)
        return cls(gold, best)

    def rewards(self, vectors: NDArray[np.float32], fold: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the reward of each answer by the best head, nats; (answers,)."""
        return _held_out_margins(self.best, vectors, fold)

    def judge(
        self,
        chosen: NDArray[np.float32],
        rejected: NDArray[np.float32],
        fold: NDArray[np.int64],
    ) -> dict[str, NDArray[np.float64]]:
        """Return margins `gold` and `best` of pairs in nats; `bald` and `vote` of the best head.

        BALD and the share of networks that side with the label are over dropout of features, whose
        moments are known for a linear head.
        """
        difference = chosen.astype(np.float64) - rejected
        heads = {"gold": self.gold, "best": self.best}
        margins = {name: _held_out_margins(head, difference, fold) for name, head in heads.items()}
        squares = np.square(difference * self.best[fold]).sum(axis=1)
        spread = np.sqrt(squares * _DROPOUT / (1.0 - _DROPOUT))
        uncertainty = normal_uncertainty(margins["best"], spread)
        vote = agreement_share(margins["best"], spread)
        return {**margins, "bald": uncertainty["bald"], "vote": vote}


def _held_out_margins(
    heads: NDArray[np.float64], vectors: NDArray[np.floating], fold: NDArray[np.int64]
) -> NDArray[np.float64]:
    margins: NDArray[np.float64] = np.einsum("nd,nd->n", vectors, heads[fold])
    return margins
