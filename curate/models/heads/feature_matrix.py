"""Features of answers that are put together for the rows asked for, never for all at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from curate.models.embed.device import move_to_device


class FeatureMatrix(Protocol):
    """What heads learn from: a (rows, dim) tensor, or something that makes parts of one."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Return features of these rows."""

    @property
    def shape(self) -> torch.Size:
        """Return (rows, dim)."""

    @property
    def device(self) -> torch.device:
        """Return where `self[rows]` lies."""


@dataclass(frozen=True)
class FeatureBlock:
    """Columns of a feature table at an index of rows, times a factor.

    Attributes:
        table: (texts, d).
        index: (rows,) rows of the table, on the table's device.
        factor: scalar, or (d,).
    """

    table: Tensor
    index: Tensor
    factor: Tensor


class LazyFeatureMatrix:
    """Blocks side by side: row i is the concatenation of factor * table[index[i]].

    Tables that lie in a mapped file are read row by row. They may lie on the CPU when the device is
    a GPU: then what was asked for is moved.
    """

    def __init__(self, blocks: list[FeatureBlock], device: str) -> None:
        self.device = torch.device(device)
        self._blocks = [replace(b, factor=b.factor.to(self.device)) for b in blocks]

    def __len__(self) -> int:
        return len(self._blocks[0].index)

    @property
    def shape(self) -> torch.Size:
        """Return (rows, dim)."""
        return torch.Size([len(self), sum(block.table.shape[1] for block in self._blocks)])

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        columns = []
        for block in self._blocks:
            at = rows if isinstance(rows, slice) else rows.to(block.index.device)
            # Gather first: moving the whole table would defeat a table that is larger than the
            # device.
            values = move_to_device(block.table[block.index[at]], self.device)
            columns.append(values.float() * block.factor)
        return columns[0] if len(columns) == 1 else torch.cat(columns, dim=1)

    def then(self, other: LazyFeatureMatrix) -> LazyFeatureMatrix:
        """Return these rows and those of the other, which has the same tables, below them."""
        blocks = [
            FeatureBlock(
                own_block.table, torch.cat([own_block.index, other_block.index]), own_block.factor
            )
            for own_block, other_block in zip(self._blocks, other._blocks, strict=True)
        ]
        return LazyFeatureMatrix(blocks, str(self.device))


def one_below_the_other(first: FeatureMatrix, second: FeatureMatrix) -> FeatureMatrix:
    """Return the rows of both, those of the first on top."""
    if isinstance(first, LazyFeatureMatrix) and isinstance(second, LazyFeatureMatrix):
        return first.then(second)
    return torch.cat([first[:], second[:]])
