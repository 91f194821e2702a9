"""Blocks on their way to Ray's workers, and how they come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

if TYPE_CHECKING:
    from ray import ObjectRef

WINDOW_BYTES = 2 << 30
"""Bytes of blocks in the object store at a time. Actors are started anew for each such window,
which takes seconds where its texts take minutes."""


def put_in_windows(
    blocks: Iterator[pa.Table], put: Callable[[pa.Table], ObjectRef]
) -> Iterator[list[ObjectRef]]:
    """Yield references of a few blocks at a time, which together fit into any object store.

    Args:
        blocks: tables in order.
        put: gives a block to the store.
    """
    window, size = list[Any](), 0
    for block in blocks:
        window.append(put(block))
        size += block.nbytes
        if size >= WINDOW_BYTES:
            yield window
            window, size = [], 0
    if window:
        yield window


def resize_frames(tables: Iterator[pa.Table], sizes: list[int]) -> Iterator[pl.DataFrame]:
    """Yield frames of the requested sizes, however Ray has cut the blocks."""
    buffered: list[pl.DataFrame] = []
    done = 0
    for table in tables:
        buffered.append(pl.DataFrame(pl.from_arrow(table)))
        while done < len(sizes) and sum(map(len, buffered)) >= sizes[done]:
            buffer = pl.concat(buffered)
            yield buffer[: sizes[done]]
            buffered = [buffer[sizes[done] :]]
            done += 1
