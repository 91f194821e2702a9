"""Parts of a run's data in Ray's object store, and tasks over them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from curate.pipeline.engines.ray_errors import users_error
from curate.steps.workers import Part

T = TypeVar("T")
# After so many lost workers the fault lies with the task.
RETRIES = 3
_AHEAD = 3
"""Results that wait for each worker: more would fill the store."""


class RayWorkers:
    """`curate.steps.workers.Workers` by Ray tasks of one core each.

    The store spills to disk what memory cannot hold, and a task of a lost worker runs again on
    another one.

    Args:
        connect: reaches the cluster, and tells the tasks that it runs at a time.
    """

    def __init__(self, connect: Callable[[], int]) -> None:
        self._connect = connect

    @property
    def count(self) -> int:
        """Tasks at a time."""
        return self._connect()

    def place(self, values: Iterable[Any]) -> list[Part]:
        """Put each value into the object store of this machine; others fetch it from here."""
        import ray

        self._connect()
        return [ray.put(value) for value in values]

    def keep(self, function: Callable[..., Any], *columns: Iterable[Any]) -> list[Part]:
        """One task a row of arguments; the results' references."""
        submit = self._submitting(function)
        return [submit(*row) for row in zip(*columns, strict=True)]

    def spread(
        self, function: Callable[..., Sequence[Any]], count: int, *columns: Iterable[Any]
    ) -> list[list[Part]]:
        """One task a row of arguments; of each of its results the references of all tasks."""
        if count == 1:  # Ray would give the sequence itself
            return [self.keep(lambda *given: function(*given)[0], *columns)]
        submit = self._submitting(function, count)
        rows = [submit(*row) for row in zip(*columns, strict=True)]
        return [list(column) for column in zip(*rows, strict=True)]

    def map(self, function: Callable[..., T], *columns: Iterable[Any]) -> Iterator[T]:
        """One task a row of arguments, some of them ahead of what is asked for."""
        submit, waiting = self._submitting(function), deque[Any]()
        rows = zip(*columns, strict=True)
        while (row := next(rows, None)) is not None:
            waiting.append(submit(*row))
            # It lies in the object store now; the next one, as large, is made while it is held.
            del row
            if len(waiting) > _AHEAD * self.count:
                yield _result(waiting.popleft())
        while waiting:
            yield _result(waiting.popleft())

    def _submitting(self, function: Callable[..., Any], returns: int = 1) -> Callable[..., Any]:
        """Starts a task of the function on the arguments that it is given."""
        import ray

        # Without it Ray would start a cluster of its own settings at the first put.
        self._connect()
        task = ray.remote(_call).options(num_cpus=1, max_retries=RETRIES, num_returns=returns)
        # Put once for all tasks: coefficients that it closes over may be large.
        return partial(task.remote, ray.put(function))


def _call(function: Callable[..., Any], *given: Any) -> Any:
    return function(*given)


def _result(reference: Any) -> Any:
    import ray

    try:
        return ray.get(reference)
    except Exception as error:
        raise users_error(error) from None
