"""Workers that are no other machines: all that they are given goes through a pickle, as there."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import cloudpickle
import numpy as np

from curate.steps.workers import one_thread_each


class Pickled:
    """A value that lies with workers."""

    def __init__(self, value: Any) -> None:
        self._bytes = _dumps(value)

    def value(self) -> Any:
        """Made anew; arrays cannot be written to, as those of Ray's store."""
        value = pickle.loads(self._bytes)
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        return value


class PickledWorkers:
    """`curate.steps.workers.Workers` in this process."""

    def __init__(self, count: int = 3) -> None:
        self.count, self.calls, self.scratch = count, 0, None

    def place(self, values: Iterable[Any]) -> list[Any]:
        return [Pickled(value) for value in values]

    def keep(self, function: Callable[..., Any], *columns: Iterable[Any]) -> list[Any]:
        return [Pickled(value) for value in self.map(function, *columns)]

    def spread(
        self, function: Callable[..., Sequence[Any]], count: int, *columns: Iterable[Any]
    ) -> list[list[Any]]:
        rows = [[Pickled(v) for v in row] for row in self.map(function, *columns)]
        assert all(len(row) == count for row in rows)
        return [list(column) for column in zip(*rows, strict=True)]

    def map(self, function: Callable[..., Any], *columns: Iterable[Any]) -> Iterator[Any]:
        pickled_function = _dumps(function)
        for row in zip(*columns, strict=True):  # handed out as it is made
            self.calls += 1
            arguments = [v.value() if isinstance(v, Pickled) else Pickled(v).value() for v in row]
            with one_thread_each():  # as Ray gives each task one core
                result = pickle.loads(pickled_function)(*arguments)
            yield pickle.loads(_dumps(result))


def _dumps(value: Any) -> bytes:
    pickled: bytes = cloudpickle.dumps(value)  # which Ray pickles functions with
    return pickled
