"""The rows of the evidence ridge in parts that lie with workers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.data.table import BATCH_ROWS, batches
from curate.models.heads.evidence_ridge import Ridge, Sums, sum_of, sums
from curate.models.heads.pair_blocks import (
    PairBlocks,
    Raw,
    Scales,
    count_text_differences,
    known_sources,
    sources_without,
    with_sizes,
)
from curate.models.heads.pair_parts import PairParts
from curate.models.heads.ridge_rows import left_out
from curate.models.text.answer_counts import COUNTS
from curate.models.text.style import STYLE_FEATURES

if TYPE_CHECKING:
    from numpy.typing import NDArray


class RidgeRowsInParts:
    """`curate.models.heads.ridge_rows.RidgeRows` over parts.

    Args:
        parts: the pairs.
        pairs: the pair table.
        weights: (pairs,) of each vote.
        styled: whether heads see counts and style, and not embeddings alone.
    """

    def __init__(
        self, parts: PairParts, pairs: pl.DataFrame, weights: NDArray[np.float64], styled: bool
    ) -> None:
        self._parts, self._map, self._styled = parts, parts.workers.map, styled
        groups = [parts.order.groups[rows] for rows in parts.ranges]
        # Placed once: each pass over the pairs reads them anew.
        place = parts.workers.place
        self._columns: list[Sequence[Any]] = [
            parts.differences,
            [None] * len(groups),
            place(parts.split(weights)),
            place(groups),
        ]
        total, known = np.zeros(len(COUNTS)), set[str]()
        if styled:
            self._columns[1], *told = parts.workers.spread(_count, 3, parts.texts(pairs))
            for squares, sources in self._map(lambda *both: both, *told):
                total, known = total + squares, known | sources
        self._scale(total / max(len(pairs), 1), known, len(pairs))

    def _scale(self, counts: NDArray[np.float64], known: set[str], pairs: int) -> None:
        style = self._parts.squares[self._parts.dim :]
        # The cosine stands beside the counts too.
        counts = np.append(counts, style[-1])
        self._scales = Scales.of(counts, style, sources_without(known), pairs)
        squares = list(self._each(_sizes))
        self.widths = squares[0][1]
        self._scales = with_sizes(self._scales, sum(s for s, _ in squares), pairs)

    def _each(self, of: Any, *more: Sequence[Any]) -> Any:
        return self._map(partial(of, self._scales, self._styled), *self._columns, *more)

    def sums(self) -> list[Sums]:
        """As `RidgeRows.sums`."""
        each = self._each(_sums)
        return [sum_of([next(each) for _ in fold]) for fold in self._parts.folds]

    def left_out(self, ridges: Sequence[Ridge]) -> NDArray[np.float64]:
        """As `RidgeRows.left_out`."""
        # Once for all parts of a fold: a ridge holds a matrix of all features.
        held = self._parts.workers.place(ridges)
        by_part = [r for r, fold in zip(held, self._parts.folds, strict=True) for _ in fold]
        return self._parts.joined(self._each(_left_out, by_part))


def _count(texts: pl.DataFrame) -> tuple[NDArray[np.float32], NDArray[np.float64], set[str]]:
    """Differences of counts, the sums of their squares, and the sources of the prompts."""
    found = [count_text_differences(texts[rows]) for rows in batches(len(texts), BATCH_ROWS)]
    counts = np.concatenate(found)
    squares = np.square(counts, dtype=np.float64).sum(axis=0)
    return counts, squares, known_sources(texts["prompt"])


def _blocks(
    scales: Scales,
    styled: bool,
    differences: NDArray[np.float32],
    counts: NDArray[np.float32] | None,
) -> PairBlocks:
    dim = differences.shape[1] - len(STYLE_FEATURES) - 1

    def raw(rows: slice) -> Raw:
        own = differences[rows]
        counted = own[:, :0] if counts is None else np.hstack([counts[rows], own[:, -1:]])
        return Raw(own[:, :dim], counted, own[:, dim:])

    return PairBlocks(raw, scales, styled)


def _sizes(
    scales: Scales, styled: bool, differences: NDArray[np.float32], counts: Any, *_: Any
) -> tuple[NDArray[np.float64], list[int]]:
    blocks = _blocks(scales, styled, differences, counts)
    return blocks.squares(len(differences)), blocks.widths()


def _sums(
    scales: Scales,
    styled: bool,
    differences: NDArray[np.float32],
    counts: Any,
    weights: NDArray[np.float64],
    groups: NDArray[np.int64],  # noqa: ARG001 - every pass is given the same columns
) -> Sums:
    blocks = _blocks(scales, styled, differences, counts)
    return sums(blocks, slice(0, len(weights)), weights, sum(blocks.widths()))


def _left_out(
    scales: Scales,
    styled: bool,
    differences: NDArray[np.float32],
    counts: Any,
    weights: NDArray[np.float64],
    groups: NDArray[np.int64],
    ridge: Ridge,
) -> NDArray[np.float64]:
    blocks = _blocks(scales, styled, differences, counts)
    return left_out(ridge, blocks, slice(0, len(weights)), groups, weights)
