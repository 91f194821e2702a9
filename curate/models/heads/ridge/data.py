"""The rows of the evidence ridge, here: their sums, and margins without their prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from curate.data.table import BATCH_ROWS, batch_slices, messages_text
from curate.models.heads.prompt_order import PromptOrder
from curate.models.heads.ridge.evidence import (
    FeatureReader,
    Ridge,
    SufficientStatistics,
    sufficient_statistics,
)
from curate.models.heads.ridge.feature_blocks import (
    FeatureScales,
    PairBlocks,
    RawFeatureReader,
    RawFeatures,
    count_differences,
    recognised_sources,
    remaining_sources,
    with_sizes,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.features import Features

# Rows of a few megabytes, whatever the number of pairs a prompt.
_CHUNK_PROMPTS = 2048


class RidgeData(Protocol):
    """Features, weights and targets of all pairs, wherever they lie.

    Attributes:
        widths: columns of each block of features.
    """

    widths: list[int]

    def sums(self) -> SufficientStatistics:
        """Return the sums over all pairs."""

    def left_out(self, ridge: Ridge) -> NDArray[np.float64]:
        """Return margins of all pairs by the ridge without their prompt, (pairs,)."""


class LocalRidgeData:
    """`RidgeData` of pairs in memory or mapped files.

    Args:
        pairs: the pair table.
        features: of these pairs.
        order: of the pairs.
        weights: (pairs,) of each vote.
        targets: (pairs,) what heads are taught of each pair; 1 for the label as it is.
        styled: whether heads see counts and style besides embeddings.
    """

    def __init__(
        self,
        pairs: pl.DataFrame,
        features: Features,
        order: PromptOrder,
        weights: NDArray[np.float64],
        targets: NDArray[np.float64],
        styled: bool,
    ) -> None:
        self._order = order
        # In prompt order, so that the rows of a prompt lie together and can be left out as a block.
        self._weights, self._targets = weights[order.rows], targets[order.rows]
        self._blocks = _scaled_blocks(pairs, features, order.rows, styled)
        self.widths = self._blocks.widths()

    def sums(self) -> SufficientStatistics:
        """Return the statistics of all pairs; see `RidgeData.sums`."""
        rows, width = slice(0, len(self._weights)), sum(self.widths)
        return sufficient_statistics(
            self._blocks, rows, self._order.groups, self._weights, self._targets, width
        )

    def left_out(self, ridge: Ridge) -> NDArray[np.float64]:
        """Return the margins of all pairs; see `RidgeData.left_out`."""
        rows = slice(0, len(self._weights))
        margins = np.empty(len(self._weights))
        margins[self._order.rows] = leave_prompt_out_margins(
            ridge, self._blocks, rows, self._order.groups, self._weights, self._targets
        )
        return margins


def block_table(pairs: pl.DataFrame, features: Features) -> NDArray[np.float32]:
    """Return all blocks of all pairs side by side, (pairs, d), for heads of another kind."""
    blocks = _scaled_blocks(pairs, features, np.arange(len(pairs)), styled=True)
    out = np.empty((len(pairs), sum(blocks.widths())), dtype=np.float32)
    for rows in batch_slices(len(pairs), BATCH_ROWS):
        out[rows] = blocks(rows)
    return out


def _scaled_blocks(
    pairs: pl.DataFrame, features: Features, order: NDArray[np.int64], styled: bool
) -> PairBlocks:
    """Return blocks of rows in an order, each of mean squared row norm 1."""
    raw, scales = _raw_features(pairs, features, order, styled)
    count = len(order)
    squares = PairBlocks(raw, scales, styled).squares(count)
    return PairBlocks(raw, with_sizes(scales, squares, count), styled)


def _raw_features(
    pairs: pl.DataFrame, features: Features, order: NDArray[np.int64], styled: bool
) -> tuple[RawFeatureReader, FeatureScales]:
    """Return raw features of rows in an order, and their scales."""
    cosine = np.zeros((len(order), 1), dtype=np.float32)
    counts = style = np.zeros((len(order), 0), dtype=np.float32)
    recognised: set[str] = set()
    if styled:
        cosine = (features.cosines("chosen") - features.cosines("rejected"))[:, None]
        counts = np.hstack([count_differences(pairs), cosine])
        chosen, rejected = (features.style[features.index[s]] for s in ("chosen", "rejected"))
        style = np.hstack([chosen - rejected, cosine])
        for rows in batch_slices(len(pairs), BATCH_ROWS):
            recognised |= recognised_sources(pairs[rows].select(t=messages_text("prompt"))["t"])

    def raw(rows: slice) -> RawFeatures:
        at = order[rows]
        embedded = features.of("chosen", at)
        # In place: the difference of a block is as large as the block.
        embedded -= features.of("rejected", at)
        return RawFeatures(embedded, counts[at], style[at])

    squares = [np.square(v, dtype=np.float64).mean(axis=0) for v in (counts, style)]
    return raw, FeatureScales.of(squares[0], squares[1], remaining_sources(recognised), len(order))


def leave_prompt_out_margins(
    ridge: Ridge,
    blocks: FeatureReader,
    rows: slice,
    groups: NDArray[np.int64],
    weights: NDArray[np.float64],
    targets: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return margins of some rows without their prompts, some thousand prompts in memory at a
    time."""
    out = np.empty(rows.stop - rows.start)
    starts = rows.start + np.flatnonzero(np.diff(groups[rows], prepend=-1))
    ends = np.append(starts[_CHUNK_PROMPTS::_CHUNK_PROMPTS], rows.stop)
    start = rows.start
    for stop in ends.tolist():
        chunk = slice(start, stop)
        chunk_margins = ridge.left_out(blocks(chunk), groups[chunk], weights[chunk], targets[chunk])
        out[start - rows.start : stop - rows.start] = chunk_margins
        start = stop
    return out
