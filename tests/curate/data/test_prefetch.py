"""Items come in order, errors where they belong, and nothing runs on after the user stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from curate.data.prefetch import read_ahead


def numbers(made: list[int], fail_at: int | None = None) -> Iterator[int]:
    for i in range(1000):
        if i == fail_at:
            raise ValueError(f"at {i}")
        made.append(i)
        yield i


def test_order_and_bound() -> None:
    made: list[int] = []
    for i, item in enumerate(read_ahead(numbers(made), size=3)):
        assert item == i
        # One waits for a place in the queue, and one is in the user's hand.
        assert len(made) <= i + 5
    assert len(made) == 1000


def test_an_error_comes_after_the_items_before_it() -> None:
    items = read_ahead(numbers([], fail_at=3))
    seen = [next(items) for _ in range(3)]
    assert seen == [0, 1, 2]
    with pytest.raises(ValueError, match="at 3"):
        next(items)


def test_stopping_early_ends_the_thread() -> None:
    made: list[int] = []
    before = threading.active_count()
    items = read_ahead(numbers(made))
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    count = len(made)
    time.sleep(0.05)
    assert len(made) == count < 10
    assert threading.active_count() == before
