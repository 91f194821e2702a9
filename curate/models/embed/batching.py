"""Batches by token budget, halved when memory runs out, on one or several devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from curate.errors import CurateError

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")
R = TypeVar("R")
Replica = TypeVar("Replica")
_SMALLEST = 8
"""A batch may be closed early once it holds a budget divided by this."""


def token_budget_batches(
    lengths: NDArray[np.int64], budget: int, waste: float = 1.0
) -> list[NDArray[np.int64]]:
    """Return rows in batches, longest first, whose padded size stays within the budget.

    A row that is longer than the budget is a batch of its own.

    Args:
        lengths: tokens of each row.
        budget: tokens of a batch, padding included.
        waste: share of padding at which a batch is closed once it holds an eighth of the budget.
    """
    # Longest first: what does not fit into memory shows in the first batch, not in the last.
    order = np.argsort(-lengths, kind="stable")
    batches: list[NDArray[np.int64]] = []
    start = used = 0
    for end, row in enumerate(order):
        longest, size = max(int(lengths[order[start]]), 1), end - start
        padded = longest * (size + 1)
        wasteful = 1.0 - (used + int(lengths[row])) / padded > waste
        enough = longest * size * _SMALLEST >= budget
        if size and (padded > budget or (wasteful and enough)):
            batches.append(order[start:end])
            start, used = end, 0
        used += int(lengths[row])
    if len(order):
        batches.append(order[start:])
    return batches


def run_with_oom_retry(
    items: Sequence[T], run: Callable[[Sequence[T]], list[R]], where: str
) -> list[R]:
    """Return `run(items)`, in two halves (and so on) where the device's memory does not suffice.

    Args:
        items: a batch.
        run: gives results in the order of the items.
        where: what an error names: the model and its device.

    Raises:
        CurateError: a single item does not fit.
    """
    try:
        return run(items)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        if len(items) == 1:
            raise CurateError(
                "a single text does not fit into the device's memory",
                where=where,
                fix="lower the longest text (embedder.max_tokens, inference.max_prompt_tokens, "
                "inference.max_answer_tokens) or use another device",
            ) from None
    if torch.cuda.is_available():
        # What failed left blocks of its size behind, which smaller batches could not use.
        torch.cuda.empty_cache()
    half = len(items) // 2
    return [
        r for part in (items[:half], items[half:]) for r in run_with_oom_retry(part, run, where)
    ]


_MEMORY_ERRORS = (
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "cudaErrorMemoryAllocation",
    "StandardGpuResources: alloc fail",
)
"""What the errors of CUDA's libraries and of faiss say when memory runs out."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that a device's memory does not suffice.

    Only torch's allocator has a class for it; cuBLAS, cuDNN and faiss raise a RuntimeError.

    Examples:
        >>> is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"))
        True
        >>> is_out_of_memory(RuntimeError("shapes cannot be multiplied"))
        False
    """
    if isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(mark in text for mark in _MEMORY_ERRORS)


def delay_by_one(items: Iterator[T]) -> Iterator[T]:
    """Yield the same items, each when the next one has been made.

    A device works on a batch after the call that starts it has returned: whoever fetches results
    one batch late does not wait for it.
    """
    before: list[T] = []
    for item in items:
        yield from before
        before = [item]
    yield from before


def run_on_replicas(
    replicas: Sequence[Replica],
    batches: Sequence[T],
    run: Callable[[Replica, T], R],
) -> Iterator[R]:
    """Yield `run(replica, batch)` for each batch, in order; a replica works on one batch at a
    time."""
    if len(replicas) == 1:
        yield from (run(replicas[0], batch) for batch in batches)
        return
    free: SimpleQueue[Replica] = SimpleQueue()
    for replica in replicas:
        free.put(replica)

    def work(batch: T) -> R:
        replica = free.get()
        try:
            return run(replica, batch)
        finally:
            free.put(replica)

    with ThreadPoolExecutor(len(replicas)) as pool:
        yield from pool.map(work, batches)
