"""Items whose sketches share a band, and what becomes of them once their shingles are compared.

Each worker sketches its own texts and sends the keys of their bands to whoever receives that key.
Only items that share a key come back with their shingles and are compared one after another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.models.text.sketches import ItemShingles, SketchedItems, band_columns
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.workers import RemoteValue, Workers

_RECEIVED = 500_000
"""Items whose keys of a band a receiver gets, on average: some ten MB."""
Texts = tuple[pl.DataFrame, "NDArray[np.uint64] | None"]
"""Texts of some items, a column a part, and numbers of their media."""
KeyedItems = tuple["NDArray[np.uint64]", "NDArray[np.int64]"]
PartShingles = dict[str, tuple["NDArray[np.uint32]", "NDArray[np.int64]"]]


@dataclass(frozen=True)
class Candidates:
    """Items that share a bucket with another one.

    Attributes:
        numbers: (candidates,) their numbers among all items, ascending.
        member: (memberships,) which candidate is in a bucket.
        bucket: (memberships,) the number of that bucket.
        shingles: of the candidates.
    """

    numbers: NDArray[np.int64]
    member: NDArray[np.int64]
    bucket: NDArray[np.int64]
    shingles: ItemShingles

    def with_buckets(self) -> Iterator[tuple[int, list[int]]]:
        """Yield each candidate, in order, and its buckets."""
        order = np.argsort(self.member, kind="stable")
        member, bucket = self.member[order], self.bucket[order]
        starts = np.flatnonzero(np.diff(member, prepend=-1))
        stops = np.append(starts, len(member))[1:]
        for start, stop in zip(starts, stops, strict=True):
            yield int(member[start]), bucket[start:stop].tolist()


class SketchedTexts:
    """Texts of all items, sketched by workers, with whom the sketches stay.

    Args:
        texts: of some items after the other.
        text_columns: the text columns of an item.
        workers: who sketch.
        scratch: where the shingles of candidates are stored.
    """

    def __init__(
        self,
        texts: Iterable[Texts],
        text_columns: tuple[str, ...],
        workers: Workers,
        scratch: ScratchSpace,
    ) -> None:
        self._text_columns, self._workers, self._scratch = text_columns, workers, scratch
        self._edges = [0]
        sketch = partial(_sketch_texts, workers.scratch)
        self._sketched: list[RemoteValue] = workers.keep(sketch, self._counted(texts))

    @property
    def items(self) -> int:
        """Return the number of items."""
        return self._edges[-1]

    def _counted(self, texts: Iterable[Texts]) -> Iterator[Texts]:
        """Yield the texts, and note the number of the item after each batch."""
        for batch in texts:
            self._edges.append(self._edges[-1] + len(batch[0]))
            yield batch

    def candidates(self, threshold: float) -> Candidates:
        """Return the items that share a band with another one."""
        members, buckets, bucket_count = [], [], 0
        # One band after another: the keys of all bands would take a hundred bytes an item.
        for columns in band_columns(threshold):
            for member, bucket, count in self._shared_keys(columns):
                members.append(member)
                buckets.append(bucket + bucket_count)
                bucket_count += count
        empty = np.zeros(0, dtype=np.int64)
        numbers, member = np.unique(np.concatenate([empty, *members]), return_inverse=True)
        bucket = np.concatenate([empty, *buckets])
        return Candidates(numbers, member, bucket, self._gather_shingles(numbers))

    def _shared_keys(
        self, columns: slice
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], int]]:
        """Yield `shared_keys` of a band, of the keys that each receiver gets."""
        receivers = max(self._workers.count, self.items // _RECEIVED)
        send = partial(_keys_by_receiver, columns, receivers)
        keyed_items = self._workers.spread(send, receivers, self._sketched, self._edges[:-1])
        # What all send to one receiver are the arguments of one task.
        return self._workers.map(_receive_keys, *zip(*keyed_items, strict=True))

    def _gather_shingles(self, numbers: NDArray[np.int64]) -> ItemShingles:
        """Return shingles of these ascending items, numbered anew in this order."""
        gathered = ItemShingles(self._text_columns, self._scratch)
        cuts = np.searchsorted(numbers, self._edges)
        batch_items = [
            numbers[a:b] - start
            for a, b, start in zip(cuts[:-1], cuts[1:], self._edges, strict=False)
        ]
        for shingles in self._workers.map(_select_shingles, self._sketched, batch_items):
            for part, (hashes, ends) in shingles.items():
                gathered.tables[part].add(hashes, ends)
        return gathered


def _sketch_texts(scratch: ScratchSpace | None, texts: Texts) -> SketchedItems:
    return SketchedItems.from_texts(*texts, scratch)


def _keys_by_receiver(
    columns: slice, receivers: int, sketched: SketchedItems, start: int
) -> list[KeyedItems]:
    """Return keys of a band and the items that have them, of each receiver of keys."""
    keys = sketched.band_keys(columns)
    items, receiver = np.arange(start, start + len(keys)), keys % np.uint64(receivers)
    return [(keys[receiver == r], items[receiver == r]) for r in range(receivers)]


def _receive_keys(*keyed_items: KeyedItems) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    keys, items = (np.concatenate(column) for column in zip(*keyed_items, strict=True))
    return shared_keys(keys, items)


def _select_shingles(sketched: SketchedItems, items: NDArray[np.int64]) -> PartShingles:
    return {part: table.select(items) for part, table in sketched.shingles.tables.items()}


def shared_keys(
    keys: NDArray[np.uint64], items: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return items whose key another one has too, the numbers of their keys, and how many there
    are."""
    values, number, counts = np.unique(keys, return_inverse=True, return_counts=True)
    shared = counts[number] > 1
    return items[shared], number[shared], len(values)


def first_near_duplicate(texts: SketchedTexts, threshold: float) -> NDArray[np.int64]:
    """Return for each item the first earlier kept one that it nearly repeats, or -1; (items,).

    An item is kept when its similarity to no kept candidate before it reaches `threshold`: one
    below it is never reported.
    """
    duplicate_of = np.full(texts.items, -1, dtype=np.int64)
    candidates = texts.candidates(threshold)
    numbers, shingles = candidates.numbers, candidates.shingles
    kept_items: dict[int, list[int]] = {}
    for item, buckets in candidates.with_buckets():
        # In their order, so that the earliest kept one is named.
        near = sorted({other for bucket in buckets for other in kept_items.get(bucket, ())})
        similar = (o for o in near if shingles.similarity(item, o) >= threshold)
        first = next(similar, None)
        if first is None:
            for bucket in buckets:
                kept_items.setdefault(bucket, []).append(item)
        else:
            duplicate_of[numbers[item]] = numbers[first]
    return duplicate_of


def cluster_texts(texts: SketchedTexts, threshold: float) -> NDArray[np.int64]:
    """Return the number of each item's cluster, that of its first item; (items,).

    Items whose similarity reaches the threshold are in one cluster, and so is whatever hangs
    together with them.
    """
    candidates = texts.candidates(threshold)
    root = np.arange(len(candidates.numbers), dtype=np.int64)

    def find(item: int) -> int:
        while root[item] != item:
            root[item] = root[root[item]]
            item = int(root[item])
        return item

    cluster_members: dict[int, list[int]] = {}
    for item, buckets in candidates.with_buckets():
        for other in sorted({o for bucket in buckets for o in cluster_members.get(bucket, ())}):
            first, second = find(item), find(other)
            # Comparing costs more than looking whether they hang together already.
            if first != second and candidates.shingles.similarity(item, other) >= threshold:
                # The lower number stays the root: a cluster is called after its first item.
                root[max(first, second)] = min(first, second)
        for bucket in buckets:
            cluster_members.setdefault(bucket, []).append(item)
    clusters = np.arange(texts.items, dtype=np.int64)
    roots = np.array([find(item) for item in range(len(root))], dtype=np.int64)
    clusters[candidates.numbers] = candidates.numbers[roots]
    return clusters
