"""Functions of rows, computed in blocks so that no intermediate array is as long as the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import polars as pl

from curate.data.table import batch_slices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.store.scratch import ScratchSpace

_ROWS = 65_536
T = TypeVar("T", bound=np.generic)


def compute_in_blocks(
    scratch: ScratchSpace, function: Callable[..., dict[str, NDArray[Any]]], *tables: NDArray[Any]
) -> pl.DataFrame:
    """Return `function(*tables)` as a frame in the scratch space, computed block by block.

    Args:
        scratch: space for the result.
        function: returns columns by name, whose values depend on their row only.
        tables: arrays with the same number of rows.

    Examples:
        >>> from curate.store.scratch import ScratchSpace
        >>> margins = np.array([0.5, -1.0])
        >>> compute_in_blocks(ScratchSpace(), lambda m: {"size": abs(m)}, margins)["size"].to_list()
        [0.5, 1.0]
    """
    blocks = batch_slices(len(tables[0]), _ROWS) or [slice(0, 0)]
    frames = (pl.DataFrame(function(*(table[rows] for table in tables))) for rows in blocks)
    return scratch.collect("values", frames)


def select_rows(values: NDArray[T], mask: NDArray[np.bool_]) -> NDArray[T]:
    """Return `values[mask]`, or `values` itself if the mask is all true: it may be mapped."""
    return values if mask.all() else values[mask]
