"""Pairs in the order of their prompts, by hashes: the order of rows does not matter."""

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


@dataclass(frozen=True)
class PromptOrder:
    """Rows in the order of their prompts.

    Attributes:
        rows: (pairs,) rows of the pair table.
        groups: (pairs,) number of each row's prompt, in that order.
    """

    rows: NDArray[np.int64]
    groups: NDArray[np.int64]

    @classmethod
    def of(
        cls, ids: pl.Series, prompts: pl.Series, scratch: ScratchSpace | None = None
    ) -> PromptOrder:
        """Return the rows by the rank of their prompts' hashes.

        Args:
            ids: (pairs,) of the pairs.
            prompts: (pairs,) 64-bit hashes of their prompts.
            scratch: where the order is stored; default memory.
        """
        scratch = scratch or ScratchSpace()
        rank = scratch.persist_array("prompt ranks", dense_ranks(prompts))
        # Within a prompt rows go by id, so that sums are the same whatever the order of rows.
        order = np.lexsort((ids.hash().to_numpy(), rank))
        rows = scratch.persist_array("prompt order", order)
        return cls(rows, scratch.persist_array("prompts in order", rank[order]))

    def cuts(self, size: int) -> list[slice]:
        """Return ranges of some `size` rows, in which no prompt is cut in two."""
        starts = np.flatnonzero(np.diff(self.groups, prepend=-1))
        target_starts = np.arange(0, len(self.groups), size)
        # The first prompt at or after each wanted place.
        positions = np.searchsorted(starts, target_starts)
        edges = np.unique(np.append(starts[positions[positions < len(starts)]], len(self.groups)))
        return [slice(int(a), int(b)) for a, b in pairwise(edges)]
