"""The rows of the evidence ridge in partitions: their sums, and margins without their prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa

from curate.data.table import BATCH_ROWS, batch_slices, messages_text
from curate.models.heads.partitions import TEXTS, PairPartitions, pair_partitions
from curate.models.heads.ridge.evidence import (
    FeatureReader,
    Ridge,
    SufficientStatistics,
    add_statistics,
    sufficient_statistics,
)
from curate.models.heads.ridge.feature_blocks import (
    FeatureScales,
    PairBlocks,
    RawFeatures,
    count_text_differences,
    recognised_sources,
    remaining_sources,
    with_sizes,
)
from curate.models.text.answer_counts import COUNTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.context import Context

T = TypeVar("T")
# Rows of a few megabytes, whatever the number of pairs a prompt.
_CHUNK_PROMPTS = 2048


class RidgeData:
    """Features, weights and targets of all pairs, which lie with workers.

    Args:
        partitions: the pairs.
        pairs: the pair table.
        weights: (pairs,) of each vote.
        targets: (pairs,) what heads are taught of each pair; 1 for the label as it is.
        styled: whether heads see counts and style besides embeddings.

    Attributes:
        widths: columns of each block of features.
    """

    def __init__(
        self,
        partitions: PairPartitions,
        pairs: pl.DataFrame,
        weights: NDArray[np.float64],
        targets: NDArray[np.float64],
        styled: bool,
    ) -> None:
        self._partitions, self._styled = partitions, styled
        # Placed once: each pass over the pairs reads them anew.
        place, split = partitions.workers.place, partitions.split
        groups = (partitions.order.groups[rows] for rows in partitions.ranges)
        self._columns: list[Sequence[object]] = [
            partitions.differences,
            [None] * len(partitions.ranges),
            place(split(weights)),
            place(split(targets)),
            place(groups),
        ]
        total, recognised = np.zeros(len(COUNTS)), set[str]()
        if styled:
            counts, total, recognised = self._count(pairs)
            self._columns[1] = place(split(counts))
        self._scale(total / max(len(pairs), 1), recognised, len(pairs))

    def _count(
        self, pairs: pl.DataFrame
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], set[str]]:
        """Return differences of counts of all pairs, the sums of their squares, sources of the
        prompts."""
        counts = self._partitions.scratch.array("counts", (len(pairs), len(COUNTS)), np.float32)
        total, recognised = np.zeros(len(COUNTS)), set[str]()
        # In the order of reading: texts from all over a mapped table are slow to get together.
        spans = batch_slices(len(pairs), BATCH_ROWS)
        tables = self._partitions.workers.map(_count_table, _text_tables(pairs, spans))
        for rows, (batch_counts, squares, sources) in zip(spans, tables, strict=True):
            counts[rows] = batch_counts
            total, recognised = total + squares, recognised | sources
        return counts, total, recognised

    def _scale(self, counts: NDArray[np.float64], recognised: set[str], pairs: int) -> None:
        style = self._partitions.squares[self._partitions.dim :]
        # The cosine stands beside the counts too.
        counts = np.append(counts, style[-1])
        self._scales = FeatureScales.of(counts, style, remaining_sources(recognised), pairs)
        squares = list(self._map(_block_sizes))
        self.widths = squares[0][1] if squares else []
        total = np.sum([s for s, _ in squares], axis=0)
        self._scales = with_sizes(self._scales, total, pairs)

    def _map(self, compute: Callable[..., T], *more: Sequence[object]) -> Iterator[T]:
        """Yield `compute(blocks, weights, targets, groups, ...)` of each partition."""
        each = partial(_apply_to_blocks, compute, self._scales, self._styled, self._partitions.dim)
        return self._partitions.workers.map(each, *self._columns, *more)

    def sums(self) -> SufficientStatistics:
        """Return the sums over all pairs."""
        return add_statistics(self._map(_partition_statistics))

    def left_out(self, ridge: Ridge) -> NDArray[np.float64]:
        """Return margins of all pairs by the ridge without their prompt, (pairs,)."""
        # Once for all partitions: a ridge holds a matrix of all features.
        placed = self._partitions.workers.place([ridge]) * len(self._partitions.ranges)
        return self._partitions.joined(self._map(_partition_margins, placed))

    def table(self) -> NDArray[np.float32]:
        """Return all blocks of all pairs side by side, (pairs, d)."""
        return self._partitions.joined(self._map(_partition_table)).astype(np.float32)


def block_table(pairs: pl.DataFrame, context: Context) -> NDArray[np.float32]:
    """Return all blocks of all pairs side by side, (pairs, d), for heads of another kind."""
    one = np.ones(len(pairs))
    return RidgeData(pair_partitions(pairs, context), pairs, one, one, styled=True).table()


def leave_prompt_out_margins(
    ridge: Ridge,
    blocks: FeatureReader,
    groups: NDArray[np.int64],
    weights: NDArray[np.float64],
    targets: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return margins of rows without their prompts, some thousand prompts in memory at a time."""
    out = np.empty(len(groups))
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    ends = np.append(starts[_CHUNK_PROMPTS::_CHUNK_PROMPTS], len(groups))
    start = 0
    for stop in ends.tolist():
        chunk = slice(start, stop)
        out[chunk] = ridge.left_out(blocks(chunk), groups[chunk], weights[chunk], targets[chunk])
        start = stop
    return out


def _text_tables(pairs: pl.DataFrame, spans: Sequence[slice]) -> Iterator[pa.Table]:
    """Yield prompts and answers of some rows after the other.

    In Arrow, which travels as it lies in memory; a frame would be copied into one more form.
    """
    text_columns = [messages_text(name).alias(name) for name in TEXTS]
    read = pl.DataFrame([pairs[name] for name in TEXTS])
    for rows in spans:
        yield read[rows].select(text_columns).to_arrow(compat_level=pl.CompatLevel.oldest())


def _count_table(table: pa.Table) -> tuple[NDArray[np.float32], NDArray[np.float64], set[str]]:
    """Return differences of counts, the sums of their squares, and the sources of the prompts."""
    texts = pl.DataFrame(pl.from_arrow(table))
    counts = count_text_differences(texts)
    return (
        counts,
        np.square(counts, dtype=np.float64).sum(axis=0),
        recognised_sources(texts["prompt"]),
    )


def _apply_to_blocks(
    compute: Callable[..., T],
    scales: FeatureScales,
    styled: bool,
    dim: int,
    differences: NDArray[np.float32],
    counts: NDArray[np.float32] | None,
    *arguments: object,
) -> T:
    def raw(rows: slice) -> RawFeatures:
        batch = differences[rows]
        counted = batch[:, :0] if counts is None else np.hstack([counts[rows], batch[:, -1:]])
        return RawFeatures(batch[:, :dim], counted, batch[:, dim:])

    return compute(PairBlocks(raw, scales, styled), *arguments)


def _block_sizes(
    blocks: PairBlocks, weights: NDArray[np.float64], *_: object
) -> tuple[NDArray[np.float64], list[int]]:
    return blocks.squares(len(weights)), blocks.widths()


def _partition_table(
    blocks: PairBlocks, weights: NDArray[np.float64], *_: object
) -> NDArray[np.float32]:
    return blocks(slice(0, len(weights))).astype(np.float32)


def _partition_statistics(
    blocks: PairBlocks,
    weights: NDArray[np.float64],
    targets: NDArray[np.float64],
    groups: NDArray[np.int64],
) -> SufficientStatistics:
    return sufficient_statistics(blocks, groups, weights, targets, sum(blocks.widths()))


def _partition_margins(
    blocks: PairBlocks,
    weights: NDArray[np.float64],
    targets: NDArray[np.float64],
    groups: NDArray[np.int64],
    ridge: Ridge,
) -> NDArray[np.float64]:
    return leave_prompt_out_margins(ridge, blocks, groups, weights, targets)
