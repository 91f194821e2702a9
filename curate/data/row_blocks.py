"""Functions of rows, computed some rows at a time: no step between is held whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.data.table import batches

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS = 65_536


def in_blocks(
    of: Callable[..., dict[str, NDArray[Any]]], *tables: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """`of(*tables)`, whose values are (rows,) by name, computed block by block.

    Args:
        of: gives for each row values that depend on that row alone.
        tables: arrays of equally many rows.
    """
    found: dict[str, NDArray[Any]] = {}
    total = len(tables[0])
    for rows in batches(total, _ROWS) or [slice(0, 0)]:
        for name, values in of(*(table[rows] for table in tables)).items():
            found.setdefault(name, np.empty(total, dtype=values.dtype))[rows] = values
    return found
