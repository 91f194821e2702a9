"""Blocks on their way to Ray's workers, and how they come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pyarrow as pa

WINDOW_BYTES = 2 << 30
"""Of blocks that lie in the object store at a time. Actors are started anew for each such window,
which takes seconds where its texts take minutes."""


def windows(blocks: Iterator[pa.Table], put: Callable[[pa.Table], Any]) -> Iterator[list[Any]]:
    """References of some blocks at a time, which fit into any object store together.

    Args:
        blocks: in order.
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


def in_sizes(tables: Iterator[pa.Table], sizes: list[int]) -> Iterator[pl.DataFrame]:
    """Frames of the given numbers of rows, however the blocks were cut on their way."""
    held: list[pl.DataFrame] = []
    done = 0
    for table in tables:
        held.append(pl.DataFrame(pl.from_arrow(table)))
        while done < len(sizes) and sum(map(len, held)) >= sizes[done]:
            whole = pl.concat(held)
            yield whole[: sizes[done]]
            held = [whole[sizes[done] :]]
            done += 1
