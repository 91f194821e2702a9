"""Functions that compute on partitions of a run's data on other machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
RemoteValue = Any
"""A handle of a value on a worker; a function on a worker receives the value itself."""


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

    def place(self, values: Iterable[Any]) -> list[RemoteValue]:
        """Send values to the workers one by one, so that not all need to fit in memory."""

    def keep(self, function: Callable[..., Any], *columns: Iterable[Any]) -> list[RemoteValue]:
        """Map a function over columns of values; results stay with the workers."""

    def spread(
        self, function: Callable[..., Sequence[Any]], count: int, *columns: Iterable[Any]
    ) -> list[list[RemoteValue]]:
        """Map a function that returns `count` values; return the remote values of each position.

        This exchanges data between workers: one list holds what all calls return for one receiver.
        """

    def map(self, function: Callable[..., T], *columns: Iterable[Any]) -> Iterator[T]:
        """Map a function over columns of values; yield the results in order."""
