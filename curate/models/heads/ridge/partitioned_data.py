"""The rows of the evidence ridge in parts that lie with workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa

from curate.data.table import BATCH_ROWS, batch_slices, messages_text
from curate.models.heads.partitions import TEXTS, PairPartitions, embedded_columns
from curate.models.heads.ridge.data import leave_prompt_out_margins
from curate.models.heads.ridge.evidence import (
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

T = TypeVar("T")


class PartitionedRidgeData:
    """`curate.models.heads.ridge.data.RidgeData` over parts.

    Args:
        partitions: the pairs.
        pairs: the pair table.
        weights: (pairs,) of each vote.
        targets: (pairs,) what heads are taught of each pair.
        styled: whether heads see counts and style besides embeddings.
    """

    def __init__(
        self,
        partitions: PairPartitions,
        pairs: pl.DataFrame,
        weights: NDArray[np.float64],
        targets: NDArray[np.float64],
        styled: bool,
    ) -> None:
        self._parts, self._map, self._styled = partitions, partitions.workers.map, styled
        groups = [partitions.order.groups[rows] for rows in partitions.ranges]
        # Placed once: each pass over the pairs reads them anew.
        place = partitions.workers.place
        self._columns: list[Sequence[Any]] = [
            partitions.differences,
            [None] * len(groups),
            place(partitions.split(weights)),
            place(partitions.split(targets)),
            place(groups),
        ]
        total, recognised = np.zeros(len(COUNTS)), set[str]()
        if styled:
            counts, total, recognised = self._counted(pairs)
            self._columns[1] = place(partitions.split(counts))
        self._scale(total / max(len(pairs), 1), recognised, len(pairs))

    def _counted(
        self, pairs: pl.DataFrame
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], set[str]]:
        """Return differences of counts of all pairs, the sums of their squares, sources of the
        prompts."""
        counts = self._parts.scratch.array("counts", (len(pairs), len(COUNTS)), np.float32)
        total, recognised = np.zeros(len(COUNTS)), set[str]()
        # In the order of reading: texts from all over a mapped table are slow to get together.
        spans = batch_slices(len(pairs), BATCH_ROWS)
        for rows, batch_counts in zip(
            spans, self._map(_count_table, _text_tables(pairs, spans)), strict=True
        ):
            counts[rows], squares, sources = batch_counts
            total, recognised = total + squares, recognised | sources
        return counts, total, recognised

    def _scale(self, counts: NDArray[np.float64], recognised: set[str], pairs: int) -> None:
        style = self._parts.squares[self._parts.dim :]
        # The cosine stands beside the counts too.
        counts = np.append(counts, style[-1])
        self._scales = FeatureScales.of(counts, style, remaining_sources(recognised), pairs)
        squares = list(self._each(_block_sizes))
        self.widths = squares[0][1]
        self._scales = with_sizes(self._scales, np.sum([s for s, _ in squares], axis=0), pairs)

    def _each(self, of: Callable[..., T], *more: Sequence[Any]) -> Iterator[T]:
        """Yield `of(blocks, weights, targets, groups, ...)` of each part."""
        each = partial(_apply_to_blocks, of, self._scales, self._styled)
        return self._map(each, *self._columns, *more)

    def sums(self) -> SufficientStatistics:
        """Return the statistics of all partitions; see `RidgeData.sums`."""
        return add_statistics(list(self._each(_partition_statistics)))

    def left_out(self, ridge: Ridge) -> NDArray[np.float64]:
        """Return the margins of all partitions; see `RidgeData.left_out`."""
        # Once for all parts: a ridge holds a matrix of all features.
        placed = self._parts.workers.place([ridge])
        return self._parts.joined(
            self._each(_partition_margins, [placed[0]] * len(self._parts.ranges))
        )


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


def _partition_blocks(
    scales: FeatureScales,
    styled: bool,
    differences: NDArray[np.float32],
    counts: NDArray[np.float32] | None,
) -> PairBlocks:
    dim = embedded_columns(differences.shape[1])

    def raw(rows: slice) -> RawFeatures:
        batch_differences = differences[rows]
        counted = (
            batch_differences[:, :0]
            if counts is None
            else np.hstack([counts[rows], batch_differences[:, -1:]])
        )
        return RawFeatures(batch_differences[:, :dim], counted, batch_differences[:, dim:])

    return PairBlocks(raw, scales, styled)


def _apply_to_blocks(
    compute: Callable[..., T],
    scales: FeatureScales,
    styled: bool,
    differences: NDArray[np.float32],
    counts: NDArray[np.float32] | None,
    *arguments: Any,
) -> T:
    return compute(_partition_blocks(scales, styled, differences, counts), *arguments)


def _block_sizes(
    blocks: PairBlocks, weights: NDArray[np.float64], *_: Any
) -> tuple[NDArray[np.float64], list[int]]:
    return blocks.squares(len(weights)), blocks.widths()


def _partition_statistics(
    blocks: PairBlocks,
    weights: NDArray[np.float64],
    targets: NDArray[np.float64],
    groups: NDArray[np.int64],
) -> SufficientStatistics:
    return sufficient_statistics(
        blocks, slice(0, len(weights)), groups, weights, targets, sum(blocks.widths())
    )


def _partition_margins(
    blocks: PairBlocks,
    weights: NDArray[np.float64],
    targets: NDArray[np.float64],
    groups: NDArray[np.int64],
    ridge: Ridge,
) -> NDArray[np.float64]:
    return leave_prompt_out_margins(ridge, blocks, slice(0, len(weights)), groups, weights, targets)
