"""Prefetching: the next items of an iterator are computed in another thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Queue
from typing import TypeVar

T = TypeVar("T")
_END = object()


def read_ahead(items: Iterator[T], size: int = 2) -> Iterator[T]:
    """Yield the same items in the same order, with at most `size` of them waiting.

    An error of the iterator is raised in place of the item. If the consumer stops early, no more
    items are computed.
    """
    queue: Queue[object] = Queue(maxsize=size)
    stopped = threading.Event()

    def make() -> None:
        try:
            for item in items:
                queue.put(item)
                # The user stopped early: the thread must not wait at a full queue for ever.
                if stopped.is_set():
                    return
            queue.put(_END)
        except BaseException as error:
            queue.put(_Failed(error))

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not _END:
            if isinstance(item, _Failed):
                raise item.error
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        while thread.is_alive():
            if not queue.empty():
                queue.get()
            thread.join(timeout=0.01)


class _Failed:
    def __init__(self, error: BaseException) -> None:
        self.error = error
