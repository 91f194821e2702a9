"""What the page of a review asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from curate.data.json_types import JsonObject


@dataclass(frozen=True)
class ReviewRequest:
    """The checked arguments of an action; each action reads some of them.

    Attributes:
        pair_id: id of the pair that is judged.
        verdict: the verdict, as the page names it.
        note: a comment.
        before: the verdict that the page shows, "" for none; None: it does not say.
        at: position in the queue; None: the next open pair.
        sort: column by which the queue is sorted.
        descending: whether large values come first; None: as is usual for the column.
        fate: which pairs are in the queue: all, kept or dropped.
        search: text that they hold.
    """

    pair_id: str = ""
    verdict: str = ""
    note: str = ""
    before: str | None = None
    at: int | None = None
    sort: str = ""
    descending: bool | None = None
    fate: str = "all"
    search: str = ""


Work = Callable[[ReviewRequest], JsonObject]
