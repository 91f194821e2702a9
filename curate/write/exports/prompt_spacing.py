"""An order of rows in which those of one prompt stay apart.

TRL's KTOTrainer takes rows in order. It estimates the KL divergence from each prompt with the
answer of the row before it in its batch; the first row of a batch gets the last one's
(`add_kl_completion_ids`). LLaMA-Factory and ms-swift do the same. Such an answer must belong to
another prompt.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.table import messages_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALL = 0
"""Nearly every size of a batch."""
MOST_IN_BATCH = 64
"""The largest batch in which no row gets an answer to its own prompt."""
_WAIT = 2 * MOST_IN_BATCH
"""Rows between two of one prompt where there are prompts enough: trainers drop rows too long for
them before they make batches, which brings others closer together."""
_RESERVE = 4096
"""Rows that wait for the end of the data, so that the last ones can be kept apart too."""
_MOST = 1 << 16
"""Rows that may wait where a few prompts have most rows."""
_BYTES = 1 << 27
_KEY = "__key__"
_SIZES_SHOWN = 5
_SWAPS = 2000
"""Exchanges that are tried in the last rows where some still meet their own prompt."""


@dataclass
class PromptSpacing:
    """Puts rows in an order in which those of one prompt stay apart; the same rows, the same order.

    Of 33 prompts or more with two rows each none meets its own. In a set of at most 64 rows the
    first row's prompt meets itself in batches of one size whatever the order, then an odd size.

    Attributes:
        rows: that were put in order.
        clashes: rows that get an answer to their own prompt in batches of some size up to
            `MOST_IN_BATCH`, since there are too few prompts.
        sizes: of such batches; `ALL` where neighbours are of one prompt.
    """

    rows: int = 0
    clashes: int = 0
    sizes: set[int] = field(default_factory=set)

    def order(self, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Yield the rows of all frames, some thousands of them waiting at a time.

        Args:
            frames: with the column `prompt`, messages of the pair table.
        """
        past = _Past()
        waiting: pl.DataFrame | None = None
        for frame in map(_with_key, frames):
            waiting = frame if waiting is None else pl.concat([waiting, frame])
            reserve = _reserve_rows(waiting)
            if len(waiting) >= 2 * reserve:
                keys = waiting[_KEY].to_numpy()
                index = _draw_order(keys, len(keys) - reserve, past, len(keys) > _MOST)
                yield waiting[index].drop(_KEY)
                waiting = waiting[_unused_rows(index, len(keys))]
                past = self._note(past, keys[index], False)
        if waiting is not None:
            keys = waiting[_KEY].to_numpy()
            index = _draw_all(keys, past)
            yield waiting[index].drop(_KEY)
            self._note(past, keys[index], True)

    @property
    def sizes_text(self) -> str:
        """Return the sizes of batches with such rows, in words."""
        if ALL in self.sizes or len(self.sizes) > _SIZES_SHOWN:
            return f"many sizes up to {MOST_IN_BATCH}"
        return " or ".join(map(str, sorted(self.sizes)))

    def _note(self, past: _Past, keys: NDArray[np.uint64], is_last: bool) -> _Past:
        """Count the drawn rows, and return the past from now on."""
        meetings, order = _Meetings.of(past, len(keys), is_last), past.then(keys)
        self.rows += len(keys)
        self.clashes += meetings.clashes(order)
        self.sizes.update(meetings.size[meetings.is_same_prompt(order)].tolist())
        return past.after(keys)


@dataclass(frozen=True)
class _Past:
    """The rows before.

    Attributes:
        count: of them.
        prompts: keys of the last ones, up to `_WAIT`.
    """

    count: int = 0
    prompts: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))

    @property
    def first(self) -> int:
        """Return the position of the first of `prompts` among all rows."""
        return self.count - len(self.prompts)

    def then(self, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return the last keys before, and new ones."""
        return np.concatenate([self.prompts, keys])

    def after(self, keys: NDArray[np.uint64]) -> _Past:
        """Return the past after rows with these keys are drawn."""
        return _Past(self.count + len(keys), self.then(keys)[-_WAIT:])


@dataclass(frozen=True)
class _Meetings:
    """Which rows get the answers of which others; numbers count from the first of a `_Past`.

    Attributes:
        receiver: (meetings,) the row whose prompt it is.
        giver: (meetings,) the row whose answer it is.
        size: (meetings,) of the batches in which they meet; `ALL` for neighbours.
        weight: (meetings,) the power of two that divides the size, since such sizes are common.
    """

    receiver: NDArray[np.int64]
    giver: NDArray[np.int64]
    size: NDArray[np.int64]
    weight: NDArray[np.int64]

    @classmethod
    def of(cls, past: _Past, count: int, is_last: bool) -> _Meetings:
        """Return the meetings of `count` rows, among each other and with those before."""
        first, end = past.count, past.count + count
        sizes = range(2, MOST_IN_BATCH + 1)
        places = np.arange(max(first, 1), end)
        # Neighbours meet in nearly all sizes.
        shifted = [(places, places - 1, ALL)]
        for size in sizes:
            ends = np.arange(first + (-first - 1) % size, end, size)
            if is_last and count and end % size > 1:
                ends = np.append(ends, end - 1)
            shifted.append((ends - ends % size, ends, size))
        receiver, giver, size_of = zip(*shifted, strict=True)
        all_sizes = np.repeat(size_of, [len(rows) for rows in giver])
        common = sum(size & -size for size in sizes)
        weights = np.where(all_sizes == ALL, common, all_sizes & -all_sizes)
        return cls(
            np.concatenate(receiver) - past.first,
            np.concatenate(giver) - past.first,
            all_sizes,
            weights,
        )

    def is_same_prompt(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which meetings are between rows of one prompt, (meetings,)."""
        same: NDArray[np.bool_] = keys[self.receiver] == keys[self.giver]
        return same

    def cost(self, keys: NDArray[np.uint64]) -> int:
        """Return the weight of all meetings of one prompt with itself."""
        return int(self.weight[self.is_same_prompt(keys)].sum())

    def clashes(self, keys: NDArray[np.uint64]) -> int:
        """Return rows that get an answer to their own prompt in batches of some size."""
        return len(np.unique(self.receiver[self.is_same_prompt(keys)]))


def _with_key(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with a hash of their prompt; a collision only spaces them."""
    return rows.with_columns(messages_key("prompt").hash().alias(_KEY))


def _reserve_rows(rows: pl.DataFrame) -> int:
    """Return the number of rows to hold back, fewer if they hold media."""
    fitting = len(rows) * _BYTES // max(int(rows.estimated_size()), 1)
    return max(2 * _WAIT, min(_RESERVE, fitting))


def _unused_rows(index: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    is_unused = np.ones(count, dtype=bool)
    is_unused[index] = False
    return np.flatnonzero(is_unused)


def _draw_all(keys: NDArray[np.uint64], past: _Past) -> NDArray[np.int64]:
    """Return all rows, by the longest wait that the prompts allow; then some are exchanged."""
    meetings = _Meetings.of(past, len(keys), True)
    index, least = _draw_order(keys, len(keys), past, True), 0
    for shift in range(1, _WAIT.bit_length()):
        least = meetings.cost(past.then(keys[index]))
        if not least:
            return index
        # Few prompts, or one with most rows: a shorter wait leaves more rows to choose from at the
        # end of the data.
        other = _draw_order(keys, len(keys), past, True, _WAIT >> shift)
        if meetings.cost(past.then(keys[other])) < least:
            index = other
    return _exchange_rows(index, keys, past, meetings)


def _exchange_rows(
    index: NDArray[np.int64], keys: NDArray[np.uint64], past: _Past, meetings: _Meetings
) -> NDArray[np.int64]:
    """Return the rows with some exchanged for others, as long as that costs no more."""
    order, start = past.then(keys[index]), len(past.prompts)
    index, least = index.copy(), meetings.cost(order)
    # A fixed seed: an export of the same rows gives the same shards.
    rng = np.random.default_rng(0)
    for _ in range(_SWAPS):
        meeting_rows = np.flatnonzero(meetings.is_same_prompt(order))
        if not len(meeting_rows):
            break
        clash = meeting_rows[rng.integers(len(meeting_rows))]
        row = max(meetings.receiver[clash] if rng.random() < 0.5 else meetings.giver[clash], start)
        both = [row, start + rng.integers(len(index))]
        order[both] = order[both[::-1]]
        # Exchanges of equal cost are kept too: they lead out of a place where no single one helps.
        cost = meetings.cost(order)
        if cost > least:
            order[both] = order[both[::-1]]
            continue
        least = cost
        moved = [place - start for place in both]
        index[moved] = index[moved[::-1]]
    return index


def _draw_order(
    keys: NDArray[np.uint64], count: int, past: _Past, forced: bool, wait: int = _WAIT
) -> NDArray[np.int64]:
    """Draw rows: of the prompts that have waited, those with most rows left.

    Args:
        keys: (rows,) the prompt of each row.
        count: of rows to draw; fewer are drawn where too few prompts have waited, unless `forced`.
        past: the rows before.
        forced: draw prompts that have not waited where no other is left.
        wait: rows between two of one prompt.

    Returns:
        (drawn,) numbers of the rows.
    """
    index = _draw_blocks(keys, count, past, wait)
    if not forced or len(index) == count:
        return index
    unused = _unused_rows(index, len(keys))
    queue = _Queue(keys[unused], past.after(keys[index]), wait)
    return np.concatenate([index, unused[queue.draw(count - len(index))]])


def _draw_blocks(keys: NDArray[np.uint64], count: int, past: _Past, wait: int) -> NDArray[np.int64]:
    """Draw rows of `wait` prompts at a time, until too few have waited."""
    distinct, first, number, rows_left = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(number, kind="stable")
    following = np.cumsum(rows_left) - rows_left
    until = np.zeros(len(distinct), np.int64)
    recent = np.searchsorted(distinct, past.prompts)
    for place, prompt in enumerate(recent):
        if prompt < len(distinct) and distinct[prompt] == past.prompts[place]:
            until[prompt] = past.first + place + wait
    blocks: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    place, end = past.count, past.count + count
    while place < end:
        ready = np.flatnonzero((rows_left > 0) & (until <= place))
        size = min(wait, end - place)
        if len(ready) < size:
            break
        # Most rows first; of as many, the prompt that came first.
        value = first[ready] - rows_left[ready] * len(keys)
        best = np.argpartition(value, size - 1)[:size]
        chosen = ready[best[np.argsort(value[best])]]
        blocks.append(order[following[chosen]])
        following[chosen] += 1
        rows_left[chosen] -= 1
        until[chosen] = place + np.arange(size) + wait
        place += size
    return np.concatenate(blocks)


class _Queue:
    """Draws rows one by one, where few prompts are left.

    Prompts are numbers of distinct keys. Some are ready (a heap), others wait, in the order of
    their end.

    Args:
        rows: (rows,) the key of each row.
        past: the rows before.
        wait: rows between two of one prompt.
    """

    def __init__(self, rows: NDArray[np.uint64], past: _Past, wait: int) -> None:
        keys, number = np.unique(rows, return_inverse=True)
        order: list[int] = np.argsort(number, kind="stable").tolist()
        ends = np.cumsum(np.bincount(number, minlength=len(keys))).tolist()
        self._keys: list[int] = keys.tolist()
        # Backwards, since rows are taken from the end.
        self._rows = [order[start:end][::-1] for start, end in pairwise((0, *ends))]
        self._rank = [rows[-1] for rows in self._rows]
        self._past: list[int] = past.prompts.tolist()
        self._first, self._wait = past.first, wait
        recent = {key: past.first + place + wait for place, key in enumerate(self._past)}
        until = [recent.get(key, 0) for key in self._keys]
        in_order = sorted(range(len(until)), key=until.__getitem__)
        self._waiting = deque((until[prompt], prompt) for prompt in in_order)
        self._ready: list[tuple[int, int, int]] = []

    def draw(self, count: int) -> list[int]:
        """Return numbers of the next rows."""
        return [self._next() for _ in range(count)]

    def _next(self) -> int:
        place = self._first + len(self._past)
        while self._waiting and self._waiting[0][0] <= place:
            prompt = self._waiting.popleft()[1]
            heapq.heappush(self._ready, (-len(self._rows[prompt]), self._rank[prompt], prompt))
        # Rows that wait longer than any batch is cannot meet in one.
        is_apart = self._wait >= MOST_IN_BATCH and bool(self._ready)
        prompt = self._take(set() if is_apart else self._near(place))
        self._past.append(self._keys[prompt])
        row = self._rows[prompt].pop()
        if self._rows[prompt]:
            self._waiting.append((place + self._wait, prompt))
        return row

    def _near(self, place: int) -> set[int]:
        """Return keys of rows before `place` that meet the row there in batches that do not end
        early.
        """
        sizes = (size for size in range(2, MOST_IN_BATCH + 1) if (place + 1) % size == 0)
        places = [place - self._first - size + 1 for size in sizes] + [place - self._first - 1]
        return {self._past[p] for p in places if p >= 0}

    def _take(self, near: set[int]) -> int:
        """Take out the prompt to draw next, none of `near` if possible."""
        passed = []
        while self._ready and self._keys[self._ready[0][2]] in near:
            passed.append(heapq.heappop(self._ready))
        next_prompt = heapq.heappop(self._ready)[2] if self._ready else None
        for entry in passed:
            heapq.heappush(self._ready, entry)
        if next_prompt is not None:
            return next_prompt
        for position, (_, prompt) in enumerate(self._waiting):
            if self._keys[prompt] not in near:
                del self._waiting[position]
                return prompt
        return heapq.heappop(self._ready)[2] if self._ready else self._waiting.popleft()[1]
