"""Functions of rows, computed some rows at a time: no step between is held whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import polars as pl

from curate.data.table import batches

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.store.workspace import Workspace

_ROWS = 65_536
T = TypeVar("T", bound=np.generic)


def in_blocks(
    workspace: Workspace, of: Callable[..., dict[str, NDArray[Any]]], *tables: NDArray[Any]
) -> pl.DataFrame:
    """`of(*tables)` as a frame in the workspace, computed block by block.

    Args:
        workspace: gives room.
        of: gives columns by name, with values that depend on their row alone.
        tables: arrays of equally many rows.
    """
    blocks = batches(len(tables[0]), _ROWS) or [slice(0, 0)]
    found = (pl.DataFrame(of(*(table[rows] for table in tables))) for rows in blocks)
    return workspace.collect("values", found)


def some_of(values: NDArray[T], wanted: NDArray[np.bool_]) -> NDArray[T]:
    """`values[wanted]`, without a copy where all are wanted: they may lie in a mapped file."""
    return values if wanted.all() else values[wanted]
