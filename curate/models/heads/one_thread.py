"""Fits whose products are too small to share: one thread does them faster than two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads_for(kind: str) -> Iterator[None]:
    """One thread of torch for heads of kind "linear", whose batches are small; all for others."""
    if kind != "linear":
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
