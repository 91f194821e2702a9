"""Near duplicates among pairs: MinHash-LSH finds candidates, exact Jaccard decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.hashes import content_keys, hashed, numbers_by_appearance
from curate.data.row_parts import MEDIA_PARTS, REJECTED_MEDIA, present, row_part_keys
from curate.data.table import BATCH_ROWS, batches, messages_text
from curate.models.text.sketches import ItemShingles, Sketches
from curate.store.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.context import Progress, Task
    from curate.steps.workers import Workers

_MEDIA_SEED = 1


@dataclass(frozen=True)
class Candidates:
    """Items that share a bucket with another one.

    Attributes:
        item: (shared,) number of the item.
        bucket: (shared,) number of a bucket that it is in.
    """

    item: NDArray[np.int64]
    bucket: NDArray[np.int64]

    @classmethod
    def of(cls, sketches: Sketches, threshold: float) -> Candidates:
        """Those of all bands of the sketches."""
        items, buckets, taken = [], [], 0
        for keys in sketches.bands(threshold):
            item, bucket, count = sharing(keys, np.arange(len(keys)))
            items.append(item)
            buckets.append(bucket + taken)
            taken += count
        return cls(np.concatenate(items), np.concatenate(buckets))

    def by_item(self) -> Iterator[tuple[int, list[int]]]:
        """Each item, in order, and its buckets."""
        order = np.argsort(self.item, kind="stable")
        item, bucket = self.item[order], self.bucket[order]
        starts = np.flatnonzero(np.diff(item, prepend=-1))
        stops = np.append(starts, len(item))[1:]
        for start, stop in zip(starts, stops, strict=True):
            yield int(item[start]), bucket[start:stop].tolist()


def sharing(
    keys: NDArray[np.uint64], items: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Items whose key another one has too, the numbers of their keys, and how many there are."""
    values, number, counts = np.unique(keys, return_inverse=True, return_counts=True)
    shared = counts[number] > 1
    return items[shared], number[shared], len(values)


def earlier_near_duplicate(
    candidates: Candidates, shingles: ItemShingles, items: int, threshold: float
) -> NDArray[np.int64]:
    """For each item the first earlier kept one that it nearly repeats, or -1; (items,).

    An item is kept when its similarity to no kept candidate before it reaches `threshold`: one
    below it is never reported.
    """
    found = np.full(items, -1, dtype=np.int64)
    kept: dict[int, list[int]] = {}
    for item, buckets in candidates.by_item():
        near = sorted({other for bucket in buckets for other in kept.get(bucket, ())})
        similar = (o for o in near if shingles.similarity(item, o) >= threshold)
        found[item] = next(similar, -1)
        if found[item] < 0:
            for bucket in buckets:
                kept.setdefault(bucket, []).append(item)
    return found


def clusters(sketches: Sketches, threshold: float) -> NDArray[np.int64]:
    """Number of each item's cluster, that of its first item; (items,).

    Items whose similarity reaches the threshold are in one cluster, and so is whatever hangs
    together with them.
    """
    root = np.arange(sketches.items, dtype=np.int64)

    def find(item: int) -> int:
        while root[item] != item:
            root[item] = root[root[item]]
            item = int(root[item])
        return item

    seen: dict[int, list[int]] = {}
    for item, buckets in Candidates.of(sketches, threshold).by_item():
        for other in sorted({o for bucket in buckets for o in seen.get(bucket, ())}):
            first, second = find(item), find(other)
            # Comparing costs more than looking whether they hang together already.
            if first != second and sketches.shingles.similarity(item, other) >= threshold:
                root[max(first, second)] = min(first, second)
        for bucket in buckets:
            seen.setdefault(bucket, []).append(item)
    return np.array([find(item) for item in range(sketches.items)], dtype=np.int64)


def nearly_repeats(
    pairs: pl.DataFrame,
    parts: tuple[str, ...],
    threshold: float,
    progress: Progress,
    workspace: Workspace | None = None,
    workers: Workers | None = None,
) -> pl.Series:
    """pair_id of the earlier pair that each pair nearly repeats, or null.

    `parts` are what is compared: ("prompt",), ("chosen", "rejected"), or all three; each part must
    be near. The order of the answers does not count. Pairs with exactly the same texts (repeats,
    flips, votes of several annotators) are judged as one, and not near duplicates of each other.
    Pairs with other images, videos or audios are other pairs, however near their texts are.
    """
    wanted = [p for p in ("prompt",) if p in parts]
    wanted += ["low", "high"] if "chosen" in parts else []
    keys = content_keys(pairs).select(
        k=hashed(pl.concat_str(pl.col(wanted).cast(pl.String), separator=" "))
    )
    numbers, first = numbers_by_appearance(keys["k"])
    room = workspace or Workspace()
    with progress.task("near duplicates", len(first)) as task:
        texts = _texts(pairs, first, parts, task)
        if workers is None:
            earlier = _earlier_here(texts, parts, len(first), threshold, room)
        else:
            from curate.models.text.part_duplicates import earlier_in_parts

            earlier = earlier_in_parts(texts, parts, len(first), threshold, room, workers)
    repeated = earlier >= 0
    ids = pairs["pair_id"]
    of = pl.Series([None] * len(first), dtype=pl.String)
    names = ids[first[earlier[repeated]]]
    of = of.scatter(np.flatnonzero(repeated), names) if len(names) else of
    return of[numbers].alias("_of")


def _earlier_here(
    texts: Iterable[tuple[pl.DataFrame, NDArray[np.uint64] | None]],
    parts: tuple[str, ...],
    items: int,
    threshold: float,
    workspace: Workspace,
) -> NDArray[np.int64]:
    sketches = Sketches(parts, items, workspace)
    for own, media in texts:
        sketches.add(own, media)
    candidates = Candidates.of(sketches, threshold)
    return earlier_near_duplicate(candidates, sketches.shingles, items, threshold)


def _texts(
    pairs: pl.DataFrame, rows: NDArray[np.int64], parts: tuple[str, ...], task: Task
) -> Iterator[tuple[pl.DataFrame, NDArray[np.uint64] | None]]:
    """Parts of ascending rows as texts, and numbers of their media, batch by batch."""
    for batch in batches(len(pairs), BATCH_ROWS):
        own = rows[slice(*np.searchsorted(rows, [batch.start, batch.stop]))]
        if len(own):
            found = pairs[batch][own - batch.start]
            said = found.select(messages_text(part).alias(part) for part in parts)
            yield said, _media_hashes(found, answers="chosen" in parts)
            task.advance(len(own))


def _media_hashes(pairs: pl.DataFrame, *, answers: bool) -> NDArray[np.uint64] | None:
    """A number for the media of each pair, in whichever order the answers have theirs."""
    there = [c for c in present(pairs) if c in MEDIA_PARTS]
    if not there:
        return None
    total = np.zeros(len(pairs), dtype=np.uint64)
    for name, other in REJECTED_MEDIA.items():
        for column in (name, other):
            own = row_part_keys(pairs.select(pl.col(column).alias(name)))
            # Where each answer has its own, the prompt alone has none.
            apart = pl.Series([False] * len(pairs)) if answers else pairs[other].is_not_null()
            if own is not None:
                total += own.hash(_MEDIA_SEED).set(apart | (own == ""), 0).to_numpy()
    return total
