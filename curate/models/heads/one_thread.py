"""Fits whose products are too small to share: one thread does them faster than two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads_for(kind: str) -> Iterator[None]:
    """Limit torch to one thread for "linear" heads, whose batches are small."""
    if kind != "linear":
        yield
        return
    # Restored afterwards: embedders and language models of the same process need all threads.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
