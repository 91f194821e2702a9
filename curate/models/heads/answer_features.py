"""Feature rows of chosen and rejected answers, as heads read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from curate.data.table import BATCH_ROWS, batch_slices
from curate.models.heads.feature_matrix import FeatureBlock, LazyFeatureMatrix
from curate.models.text.style import LENGTH
from curate.steps.features import FeatureKind, Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ON_DEVICE = 2 << 30
"""Bytes up to which a table of features is moved to the device as a whole."""
STYLE_SCALE = 0.3
"""Root-mean-square difference of a style feature beside embeddings, whose norm is 1.

Chosen on Auto-J and LLMBar with injected flips.
"""


def answer_feature_matrices(
    features: Features, kind: FeatureKind = "embedding", device: str = "cpu"
) -> tuple[LazyFeatureMatrix, LazyFeatureMatrix]:
    """Return features of chosen and rejected answers, (pairs, dim) each, made as they are asked
    for.

    Differences of embeddings have a root-mean-square norm of 1, those of a style feature
    `STYLE_SCALE` (1 if length is the only feature). Scaling does not depend on the labels.
    """
    tables: list[tuple[NDArray[np.floating], dict[str, NDArray[np.int64]], float | None]] = []
    if kind != "length":
        tables.append((features.vectors, features.index, None))
    if kind == "both":
        tables += [
            (features.style, features.index, STYLE_SCALE),
            (*_prompt_cosines(features), STYLE_SCALE),
        ]
    if kind == "length":
        tables.append((features.style[:, LENGTH : LENGTH + 1], features.index, 1.0))
    block_pairs = [_answer_blocks(table, index, each, device) for table, index, each in tables]
    chosen, rejected = zip(*block_pairs, strict=True)
    return LazyFeatureMatrix(list(chosen), device), LazyFeatureMatrix(list(rejected), device)


def answer_feature_tensors(
    features: Features, kind: FeatureKind = "embedding", device: str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Return the same for all pairs at once, held in memory."""
    chosen, rejected = answer_feature_matrices(features, kind, device)
    return chosen[:], rejected[:]


def scale_factor(means: NDArray[np.float64], each: float | None) -> NDArray[np.float32]:
    """Return what a block is multiplied by, given the (d,) mean squared differences of its columns.

    Args:
        means: of chosen minus rejected over all pairs.
        each: root-mean-square difference that each column gets; None: norm 1 of all together.
    """
    size = np.sqrt(means.sum() if each is None else means)
    # A feature without any difference stays 0 instead of becoming NaN for every pair.
    return np.asarray((each or 1.0) / np.where(size > 0, size, 1.0), dtype=np.float32)


def _prompt_cosines(
    features: Features,
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.int64]]]:
    """Return cosines of both answers to the prompt as a table of one column, and its row
    index."""
    count = len(features.index["chosen"])
    table = np.concatenate([features.cosines("chosen"), features.cosines("rejected")])[:, None]
    numbers = np.arange(count)
    return table, {"chosen": numbers, "rejected": count + numbers}


def _answer_blocks(
    table: NDArray[np.floating],
    index: dict[str, NDArray[np.int64]],
    each: float | None,
    device: str,
) -> tuple[FeatureBlock, FeatureBlock]:
    """Return blocks of chosen and rejected, scaled to a given root-mean-square difference by
    column, or to norm 1 by row."""
    squares = np.zeros(table.shape[1])
    count = len(index["chosen"])
    # Sums of blocks: the table may be a mapped file that is larger than the memory.
    for rows in batch_slices(count, BATCH_ROWS):
        first, second = (table[index[side][rows]] for side in ("chosen", "rejected"))
        # Differences of near-equal half-precision vectors lose their digits before they are
        # squared.
        difference = first.astype(np.float64) - second
        squares += np.square(difference).sum(axis=0)
    factor = torch.from_numpy(scale_factor(squares / max(count, 1), each))
    values = torch.from_numpy(table)
    # A larger table stays where it is, and its rows go to the device as they are asked for.
    if values.nbytes <= _ON_DEVICE:
        values = values.to(device)
    chosen, rejected = (
        FeatureBlock(
            values, torch.from_numpy(np.ascontiguousarray(index[side])).to(values.device), factor
        )
        for side in ("chosen", "rejected")
    )
    return chosen, rejected
