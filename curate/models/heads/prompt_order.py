"""Pairs in the order of fold and prompt, by hashes: the order of rows does not matter."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from curate.data.table import dense_ranks
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

# As of the ridge and of heads by default.
_FOLDS = 5


@dataclass(frozen=True)
class PromptOrder:
    """Rows in the order of fold and prompt.

    Attributes:
        rows: (pairs,) rows of the pair table.
        groups: (pairs,) number of each row's prompt, in that order.
        folds: ranges of rows in that order, one a fold.
    """

    rows: NDArray[np.int64]
    groups: NDArray[np.int64]
    folds: list[slice]

    @classmethod
    def of(
        cls, ids: pl.Series, prompts: pl.Series, scratch: ScratchSpace | None = None
    ) -> PromptOrder:
        """Return folds of nearly equal numbers of prompts, by the rank of the prompts' hashes.

        Args:
            ids: (pairs,) of the pairs.
            prompts: (pairs,) 64-bit hashes of their prompts.
            scratch: where the order is stored; default memory.
        """
        scratch = scratch or ScratchSpace()
        rank = scratch.persist_array("prompt ranks", dense_ranks(prompts))
        folds = min(_FOLDS, int(rank.max(initial=0)) + 1)
        # Ranks of hashes are as good as random, and the same however the rows are ordered.
        fold = (rank % folds).astype(np.int8)
        # Within a prompt rows go by id, so that sums are the same whatever the order of rows.
        order = np.lexsort((ids.hash().to_numpy(), rank, fold))
        edges = np.append(0, np.cumsum(np.bincount(fold, minlength=folds)))
        ranges = [slice(int(a), int(b)) for a, b in pairwise(edges)]
        rows = scratch.persist_array("prompt order", order)
        return cls(rows, scratch.persist_array("prompts in order", rank[order]), ranges)

    def cuts(self, fold: slice, size: int) -> list[slice]:
        """Return a fold in ranges of some `size` rows, in which no prompt is cut in two."""
        starts = fold.start + np.flatnonzero(np.diff(self.groups[fold], prepend=-1))
        target_starts = np.arange(fold.start, fold.stop, size)
        # The first prompt at or after each wanted place.
        prompt_position = np.searchsorted(starts, target_starts)
        edges = np.unique(
            np.append(starts[prompt_position[prompt_position < len(starts)]], fold.stop)
        )
        return [slice(int(a), int(b)) for a, b in pairwise(edges)]
