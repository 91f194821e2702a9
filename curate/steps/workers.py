"""Functions of parts of a run's data, computed on other machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Part = Any
"""A value that lies with workers: given to a function of theirs it is the value itself."""


class Workers(Protocol):
    """What an engine with workers offers to models that need no more than a part at a time.

    A function and its arguments must pickle. What a lost worker had made is made again, so a
    function must give the same for the same arguments. Arrays that a function is given may be
    read-only. Columns of arguments are gone through as work is handed out: one that is made on the
    way keeps workers busy before the next value is there.
    """

    @property
    def count(self) -> int:
        """Parts that are worked on at a time."""

    def place(self, values: Iterable[Any]) -> list[Part]:
        """Put values where workers reach them, one after another: all need not fit in memory."""

    def keep(self, function: Callable[..., Any], *columns: Iterable[Any]) -> list[Part]:
        """`function(a, b, ...)` of parts or values side by side; results stay with the workers."""

    def spread(
        self, function: Callable[..., Sequence[Any]], count: int, *columns: Iterable[Any]
    ) -> list[list[Part]]:
        """As `keep`, of a function that gives `count` values: the parts of each of them.

        What all gave for the same receiver stands in one list: an exchange between workers.
        """

    def map(self, function: Callable[..., T], *columns: Iterable[Any]) -> Iterator[T]:
        """`function(a, b, ...)` of parts or values side by side; results come here, in order."""
