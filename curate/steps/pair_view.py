"""Pairs with what was computed from exactly these pairs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import polars as pl

from curate.data.hashes import numbers_by_key, prompt_keys, same_answers, vote_keys_in_batches
from curate.steps.features import Features
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")
_RECENT_VIEWS = 8
"""Views of other pairs than the run's and the step's that stay: each holds a frame."""


@dataclass(frozen=True)
class RowsInRun:
    """Which of the run's pairs some pairs are.

    Attributes:
        rows: (pairs,) row of each pair among all pairs of the run.
        flips: (pairs,) whether chosen and rejected are swapped since.
    """

    rows: NDArray[np.int64]
    flips: NDArray[np.bool_]


class PairView:
    """Pairs in their order, with what was computed from exactly these pairs.

    A view of some of the run's pairs takes their features from the run. Whatever depends on the
    other pairs of a table, such as prompt numbers or held-out margins, it computes anew.

    Args:
        frame: the pairs.
        scratch: space for arrays; default memory.
        features: features of these pairs, or a function that computes them on first use.
        run: the view of all pairs of the run, if these are some of them.
        texts: returns the columns of prompts and answers, if `frame` lacks them.
    """

    def __init__(
        self,
        frame: pl.DataFrame,
        scratch: ScratchSpace | None = None,
        features: Features | Callable[[], Features] | None = None,
        run: PairView | None = None,
        texts: Callable[[], pl.DataFrame] | None = None,
    ) -> None:
        self.frame, self.run = frame, run
        self._scratch = scratch or ScratchSpace()
        self._feature_source, self._text_source = features, texts
        self._cache: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self.frame)

    def cached(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the object under `key`; `make` creates it on first use."""
        if key not in self._cache:
            self._cache[key] = make()
        value: T = self._cache[key]
        return value

    def preset(self, *, prompt_groups: NDArray[np.int64], same_answers: NDArray[np.bool_]) -> None:
        """Set what is otherwise computed from texts, which this frame lacks."""
        # A cached property reads the instance's dictionary first.
        self.__dict__.update(prompt_groups=prompt_groups, same_answers=same_answers)

    @cached_property
    def same_answers(self) -> NDArray[np.bool_]:
        """Whether chosen and rejected are equal in every role and content, (pairs,)."""
        return same_answers(self._texts).to_numpy()

    @cached_property
    def prompt_groups(self) -> NDArray[np.int64]:
        """Number of each pair's prompt, (pairs,), from 0.

        Prompts are numbered by the rank of their hashes, so that a draw by prompt does not depend
        on the order of the rows in a file.
        """
        out = self._scratch.array("prompt groups", (len(self),), np.int64)
        return numbers_by_key(prompt_keys(self._texts), out)[0]

    @cached_property
    def row_order(self) -> NDArray[np.int64]:
        """Rows in the order of the hashes of their ids, which no file decides, (pairs,)."""
        # By hash: the same for any order of the file, and no sort of texts.
        order = self.frame["pair_id"].hash().arg_sort().to_numpy().astype(np.int64)
        return self._scratch.persist_array("row order", order)

    @cached_property
    def vote_keys(self) -> pl.DataFrame:
        """`curate.data.hashes.vote_keys` of the pairs; texts are hashed once."""
        return self._scratch.collect("vote keys", vote_keys_in_batches(self._texts))

    @cached_property
    def features(self) -> Features:
        """Embeddings and style of prompts and answers of these pairs.

        Raises:
            RuntimeError: the run was planned without embeddings, or these are other pairs than
                those that were embedded.
        """
        source = self._feature_source
        if source is not None:
            return source if isinstance(source, Features) else source()
        if self.run is None:
            raise RuntimeError("this step needs embeddings, but the run was planned without them")
        place = self.in_run
        features = self.run.features.take(place.rows)
        return features.flipped(place.flips) if place.flips.any() else features

    @cached_property
    def in_run(self) -> RowsInRun:
        """Where these pairs are among those of the run.

        Raises:
            RuntimeError: they are other pairs, or have other texts.
        """
        problem = "these pairs are not those of the run, which alone are embedded"
        if self.run is None or "pair_id" not in self.frame.columns:
            raise RuntimeError(problem)
        rows = self.run._rows_by_id(self.frame["pair_id"])
        if rows is None:
            raise RuntimeError(problem)
        run_keys = self.run.vote_keys[rows]
        # A filter may have flipped labels, and a plug-in may ask what if it had.
        if not self.vote_keys.select("prompt", "pair").equals(run_keys.select("prompt", "pair")):
            raise RuntimeError(f"{problem}: their texts differ")
        return RowsInRun(rows, (self.vote_keys["first"] != run_keys["first"]).to_numpy())

    @cached_property
    def _texts(self) -> pl.DataFrame:
        """Return a frame with prompts and answers of the pairs."""
        return self.frame if self._text_source is None else self._text_source()

    @cached_property
    def _sorted_ids(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Return the ascending hashes of the ids, and the row of each."""
        hashes = self.frame["pair_id"].hash().to_numpy()
        return hashes[self.row_order], self.row_order

    def _rows_by_id(self, ids: pl.Series) -> NDArray[np.int64] | None:
        """Return the rows of these ids; None if one of them is not here."""
        hashes, order = self._sorted_ids
        if not len(hashes):
            return None if len(ids) else order
        places = np.searchsorted(hashes, ids.hash().to_numpy()).clip(max=len(hashes) - 1)
        rows = order[places]
        # Two ids may share a hash, and an id may not be there at all.
        return rows if self.frame["pair_id"].gather(rows).equals(ids) else None


class PairViews:
    """The views that a step works with: of the run's pairs, of its own, and of others it asks of.

    Args:
        run: of all pairs of the run; None outside a run.
        step: of the pairs that the step received; default those of the run.
    """

    def __init__(self, run: PairView | None = None, step: PairView | None = None) -> None:
        self.run, self.step = run, step or run
        self._recent: deque[PairView] = deque(maxlen=_RECENT_VIEWS)

    def view(self, frame: pl.DataFrame, scratch: ScratchSpace) -> PairView:
        """Return the view of this frame."""
        for view in (self.step, self.run, *self._recent):
            # Equal ids would not do: a filter or a plug-in may have changed labels and texts.
            if view is not None and view.frame is frame:
                return view
        created = PairView(frame, scratch, run=self.run)
        self._recent.append(created)
        return created
