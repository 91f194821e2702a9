"""Items come in order, errors where they belong, and nothing runs on after the user stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from curate.data.prefetch import read_ahead


def numbers(produced: list[int], fail_at: int | None = None) -> Iterator[int]:
    for i in range(1000):
        if i == fail_at:
            raise ValueError(f"at {i}")
        produced.append(i)
        yield i


def test_order_and_bound() -> None:
    produced: list[int] = []
    for i, item in enumerate(read_ahead(numbers(produced), size=3)):
        assert item == i
        # One waits for a place in the queue, and one is in the user's hand.
        assert len(produced) <= i + 5
    assert len(produced) == 1000


def test_an_error_comes_after_the_items_before_it() -> None:
    items = read_ahead(numbers([], fail_at=3))
    first_items = [next(items) for _ in range(3)]
    assert first_items == [0, 1, 2]
    with pytest.raises(ValueError, match="at 3"):
        next(items)


def test_stopping_early_ends_the_thread() -> None:
    produced: list[int] = []
    before = threading.active_count()
    items = read_ahead(numbers(produced))
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    count = len(produced)
    time.sleep(0.05)
    assert len(produced) == count < 10
    assert threading.active_count() == before
