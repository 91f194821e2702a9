"""How models compute on partitions of a run's data: in threads of this process, or on others."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from typing import Protocol, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from curate.data.process import available_cores
from curate.store.scratch import ScratchSpace

T = TypeVar("T")
RemoteValue = object
"""A handle of a value on a worker; a function on a worker receives the value itself."""
_MAX_THREADS = 8
"""At most; each holds what its function makes of a partition."""


class Workers(Protocol):
    """What an engine with workers offers to models that need no more than a part at a time.

    A function and its arguments must pickle. What a lost worker had made is made again, so a
    function must give the same for the same arguments. Arrays that a function is given may be
    read-only. Columns of arguments are gone through as work is handed out: one that is made on the
    way keeps workers busy before the next value is there.
    """

    @property
    def count(self) -> int:
        """Return the number of partitions that are processed at a time."""

    @property
    def scratch(self) -> ScratchSpace | None:
        """Return space for what functions keep; None where a worker has only its memory."""

    def place(self, values: Iterable[object]) -> list[RemoteValue]:
        """Send values to the workers one by one, so that not all need to fit in memory."""

    def keep(
        self, function: Callable[..., object], *columns: Iterable[object]
    ) -> list[RemoteValue]:
        """Map a function over columns of values; results stay with the workers."""

    def spread(
        self, function: Callable[..., Sequence[object]], count: int, *columns: Iterable[object]
    ) -> list[list[RemoteValue]]:
        """Map a function that returns `count` values; return the remote values of each position.

        This exchanges data between workers: one list holds what all calls return for one receiver.
        """

    def map(self, function: Callable[..., T], *columns: Iterable[object]) -> Iterator[T]:
        """Map a function over columns of values; yield the results in order."""


class LocalWorkers:
    """`Workers` of a run on one machine: threads, each of which computes on one core.

    A product that several threads share rounds differently with each number of threads. With one
    thread for each partition, results are to the last digit those of any other workers.

    Args:
        scratch: space for arrays that are placed, and for what functions keep.
        threads: how many at most; default one for each core.
    """

    def __init__(self, scratch: ScratchSpace, threads: int = _MAX_THREADS) -> None:
        self.scratch: ScratchSpace | None = scratch
        self._place = partial(scratch.persist_array, "partition")
        self.count = min(available_cores(), threads)

    def place(self, values: Iterable[object]) -> list[RemoteValue]:
        """Return the values; arrays go to the scratch space, but for views of longer-lived ones."""
        return [
            self._place(value) if isinstance(value, np.ndarray) and value.base is None else value
            for value in values
        ]

    def keep(
        self, function: Callable[..., object], *columns: Iterable[object]
    ) -> list[RemoteValue]:
        """Return the results of all calls."""
        return list(self.map(function, *columns))

    def spread(
        self, function: Callable[..., Sequence[object]], count: int, *columns: Iterable[object]
    ) -> list[list[RemoteValue]]:
        """Return the results of all calls for each position."""
        rows = list(self.map(function, *columns))
        return [[row[position] for row in rows] for position in range(count)]

    def map(self, function: Callable[..., T], *columns: Iterable[object]) -> Iterator[T]:
        """Yield the result of each call; a few run ahead."""
        if self.count == 1:
            with one_thread_each():
                for row in zip(*columns, strict=True):
                    yield function(*row)
            return
        waiting = deque[Future[T]]()
        with one_thread_each(), ThreadPoolExecutor(self.count, initializer=_limit_thread) as pool:
            for row in zip(*columns, strict=True):
                waiting.append(pool.submit(function, *row))
                if len(waiting) > self.count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let products of matrices use the thread alone that asks for them."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch is not None else 1
    with _thread_pools(torch is not None).limit(limits=1):
        if torch is not None:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch is not None:
                torch.set_num_threads(threads)


def _limit_thread() -> None:
    """Limit OpenMP in this thread, which takes no limit over from the thread that started it."""
    _thread_pools("torch" in sys.modules).limit(limits=1)


@cache
def _thread_pools(has_torch: bool) -> ThreadpoolController:  # noqa: ARG001 (torch brings its own)
    # To look for the libraries takes milliseconds, which a pass over a few pairs does not.
    return ThreadpoolController()
