"""Pairs in the order of fold and prompt, by hashes: the order of rows does not matter."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
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
    def of(cls, ids: pl.Series, prompts: pl.Series) -> PromptOrder:
        """Folds of nearly equal numbers of prompts, by the rank of the prompts' hashes."""
        rank = prompts.rank("dense").to_numpy().astype(np.int64) - 1
        fold = rank % min(_FOLDS, int(rank.max(initial=0)) + 1)
        # Within a prompt rows go by id, so that sums are the same whatever the order of rows.
        frame = pl.DataFrame({"fold": fold, "rank": rank, "id": ids.hash()})
        order = frame.with_row_index("row").sort("fold", "rank", "id")["row"].to_numpy()
        edges = np.searchsorted(fold[order], np.arange(int(fold.max(initial=0)) + 2))
        folds = [slice(int(a), int(b)) for a, b in pairwise(edges)]
        return cls(order.astype(np.int64), rank[order], folds)

    def cuts(self, fold: slice, size: int) -> list[slice]:
        """A fold in ranges of some `size` rows, in which no prompt is cut in two."""
        starts = fold.start + np.flatnonzero(np.diff(self.groups[fold], prepend=-1))
        wanted = np.arange(fold.start, fold.stop, size)
        # The first prompt at or after each wanted place.
        at = np.searchsorted(starts, wanted)
        edges = np.unique(np.append(starts[at[at < len(starts)]], fold.stop))
        return [slice(int(a), int(b)) for a, b in pairwise(edges)]
