"""Items whose sketches share a band, and what becomes of them once their shingles are compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curate.models.text.sketches import ItemShingles, MinHashSketches

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class CandidatePairs:
    """Items that share a bucket with another one.

    Attributes:
        item: (shared,) number of the item.
        bucket: (shared,) number of a bucket that it is in.
    """

    item: NDArray[np.int64]
    bucket: NDArray[np.int64]

    @classmethod
    def of(cls, sketches: MinHashSketches, threshold: float) -> CandidatePairs:
        """Return the candidates of all bands of the sketches."""
        items, buckets, bucket_count = [], [], 0
        for keys in sketches.bands(threshold):
            item, bucket, count = shared_keys(keys, np.arange(len(keys)))
            items.append(item)
            buckets.append(bucket + bucket_count)
            bucket_count += count
        return cls(np.concatenate(items), np.concatenate(buckets))

    def by_item(self) -> Iterator[tuple[int, list[int]]]:
        """Yield each item, in order, and its buckets."""
        order = np.argsort(self.item, kind="stable")
        item, bucket = self.item[order], self.bucket[order]
        starts = np.flatnonzero(np.diff(item, prepend=-1))
        stops = np.append(starts, len(item))[1:]
        for start, stop in zip(starts, stops, strict=True):
            yield int(item[start]), bucket[start:stop].tolist()


def shared_keys(
    keys: NDArray[np.uint64], items: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return items whose key another one has too, the numbers of their keys, and how many there
    are."""
    values, number, counts = np.unique(keys, return_inverse=True, return_counts=True)
    shared = counts[number] > 1
    return items[shared], number[shared], len(values)


def first_near_duplicate(
    candidates: CandidatePairs, shingles: ItemShingles, items: int, threshold: float
) -> NDArray[np.int64]:
    """Return for each item the first earlier kept one that it nearly repeats, or -1; (items,).

    An item is kept when its similarity to no kept candidate before it reaches `threshold`: one
    below it is never reported.
    """
    duplicate_of = np.full(items, -1, dtype=np.int64)
    kept_items: dict[int, list[int]] = {}
    for item, buckets in candidates.by_item():
        # In their order, so that the earliest kept one is named.
        near = sorted({other for bucket in buckets for other in kept_items.get(bucket, ())})
        similar = (o for o in near if shingles.similarity(item, o) >= threshold)
        duplicate_of[item] = next(similar, -1)
        if duplicate_of[item] < 0:
            for bucket in buckets:
                kept_items.setdefault(bucket, []).append(item)
    return duplicate_of


def cluster_sketches(sketches: MinHashSketches, threshold: float) -> NDArray[np.int64]:
    """Return the number of each item's cluster, that of its first item; (items,).

    Items whose similarity reaches the threshold are in one cluster, and so is whatever hangs
    together with them.
    """
    root = np.arange(sketches.items, dtype=np.int64)

    def find(item: int) -> int:
        while root[item] != item:
            root[item] = root[root[item]]
            item = int(root[item])
        return item

    cluster_members: dict[int, list[int]] = {}
    for item, buckets in CandidatePairs.of(sketches, threshold).by_item():
        for other in sorted({o for bucket in buckets for o in cluster_members.get(bucket, ())}):
            first, second = find(item), find(other)
            # Comparing costs more than looking whether they hang together already.
            if first != second and sketches.shingles.similarity(item, other) >= threshold:
                # The lower number stays the root: a cluster is called after its first item.
                root[max(first, second)] = min(first, second)
        for bucket in buckets:
            cluster_members.setdefault(bucket, []).append(item)
    return np.array([find(item) for item in range(sketches.items)], dtype=np.int64)
