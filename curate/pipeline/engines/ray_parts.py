"""Parts of a run's data in Ray's object store, and tasks over them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from curate.pipeline.engines.ray_errors import unwrap_user_error
from curate.steps.workers import RemoteValue

if TYPE_CHECKING:
    from ray import ObjectRef

T = TypeVar("T")
# After so many lost workers the task itself must be at fault.
RETRIES = 3
_END = object()
_AHEAD = 3
"""Results that wait for each worker: more would fill the store."""


class RayWorkers:
    """`curate.steps.workers.Workers` that run as Ray tasks of one core each.

    The store spills to disk what memory cannot hold, and a task of a lost worker runs again on
    another one.

    Args:
        connect: connects to the cluster, and returns the number of tasks that it runs at a time.
    """

    scratch = None
    """A worker may be lost, and its files with it."""

    def __init__(self, connect: Callable[[], int]) -> None:
        self._connect = connect

    @property
    def count(self) -> int:
        """Return the number of tasks that run at a time."""
        return self._connect()

    def place(self, values: Iterable[object]) -> list[RemoteValue]:
        """Put each value into the object store of this machine; others fetch it from here."""
        import ray

        self._connect()
        return list(_call_rows(ray.put, values))

    def keep(
        self, function: Callable[..., object], *columns: Iterable[object]
    ) -> list[RemoteValue]:
        """Start one task per row of arguments; return references of the results."""
        return list(_call_rows(self._submitting(function), *columns))

    def spread(
        self, function: Callable[..., Sequence[object]], count: int, *columns: Iterable[object]
    ) -> list[list[RemoteValue]]:
        """Start one task per row; return, for each of its results, the references of all tasks."""
        if count == 1:  # Ray would give the sequence itself
            return [self.keep(lambda *arguments: function(*arguments)[0], *columns)]
        rows = _call_rows(self._submitting(function, count), *columns)
        return [list(column) for column in zip(*rows, strict=True)]

    def map(self, function: Callable[..., T], *columns: Iterable[object]) -> Iterator[T]:
        """Yield the result of one task per row of arguments; a few tasks run ahead."""
        waiting: deque[ObjectRef] = deque()
        for reference in _call_rows(self._submitting(function), *columns):
            waiting.append(reference)
            if len(waiting) > _AHEAD * self.count:
                yield _get_result(waiting.popleft())
        while waiting:
            yield _get_result(waiting.popleft())

    def _submitting(
        self, function: Callable[..., object], returns: int = 1
    ) -> Callable[..., ObjectRef]:
        """Return a callable that starts a task of the function on its arguments."""
        import ray

        # Without it Ray would start a cluster of its own settings at the first put.
        self._connect()
        task = ray.remote(_call_function).options(
            num_cpus=1, max_retries=RETRIES, num_returns=returns
        )
        # Put once for all tasks: coefficients that it closes over may be large.
        return partial(task.remote, ray.put(function))


def _call_rows(function: Callable[..., T], *columns: Iterable[object]) -> Iterator[T]:
    """Yield the function's result for each row of arguments; a row is freed before the next is
    made.

    What is made for a worker may be as large as memory allows; `zip` and a loop hold the last one.
    """
    iterators = [iter(column) for column in columns]
    while True:
        row = [next(iterator, _END) for iterator in iterators]
        ended = [value is _END for value in row]
        if any(ended):
            if not all(ended):
                raise ValueError("columns of arguments are not equally long")
            return
        done = function(*row)
        del row
        yield done


def _call_function(function: Callable[..., T], *arguments: object) -> T:
    return function(*arguments)


def _get_result(reference: ObjectRef) -> Any:
    import ray

    try:
        return ray.get(reference)
    except Exception as error:
        raise unwrap_user_error(error) from None
