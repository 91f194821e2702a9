"""Near duplicates among texts that are sketched by workers.

Each worker sketches its own texts and sends the keys of its bands to whoever receives that key.
Only items that share a key come back with their shingles and are compared one after another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.models.text.candidates import CandidatePairs, first_near_duplicate, shared_keys
from curate.models.text.sketches import ItemShingles, MinHashSketches
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.workers import RemoteValue, Workers

_RECEIVED = 500_000
"""Items whose keys a receiver gets, on average: some hundred MB."""
Texts = tuple[pl.DataFrame, "NDArray[np.uint64] | None"]
KeyedItems = tuple["NDArray[np.uint64]", "NDArray[np.int64]"]


def find_duplicates_partitioned(
    texts: Iterable[Texts],
    text_columns: tuple[str, ...],
    items: int,
    threshold: float,
    scratch: ScratchSpace,
    workers: Workers,
) -> NDArray[np.int64]:
    """Return `first_near_duplicate` of items whose texts lie with workers, (items,).

    Args:
        texts: of some items after the other, and numbers of their media.
        text_columns: the text columns of an item.
        items: how many there are.
        threshold: similarity from which on two items are near.
        scratch: scratch space for the shingles that come back.
        workers: who sketch.
    """
    earlier = np.full(items, -1, dtype=np.int64)
    if not items:
        return earlier
    starts: list[int] = []
    sketched = workers.keep(partial(_sketch_texts, text_columns), _record_starts(texts, starts))
    receivers = max(workers.count, items // _RECEIVED)
    sent_keys = workers.spread(
        partial(_keys_by_receiver, threshold, receivers), receivers, sketched, starts
    )
    # All that went to one receiver are the arguments of one task.
    received = list(workers.map(_receive_keys, *zip(*sent_keys, strict=True)))
    item, bucket = _join_buckets(received)
    shared, number = np.unique(item, return_inverse=True)
    shingles = _gather_shingles(shared, sketched, [*starts, items], text_columns, scratch, workers)
    near = first_near_duplicate(CandidatePairs(number, bucket), shingles, len(shared), threshold)
    earlier[shared[near >= 0]] = shared[near[near >= 0]]
    return earlier


def _join_buckets(
    received: Sequence[tuple[NDArray[np.int64], NDArray[np.int64], int]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the items of all receivers, and their buckets numbered across receivers."""
    offsets = np.cumsum([0, *(count for _, _, count in received)])
    buckets = [bucket + offset for (_, bucket, _), offset in zip(received, offsets, strict=False)]
    return np.concatenate([item for item, _, _ in received]), np.concatenate(buckets)


def _record_starts(texts: Iterable[Texts], starts: list[int]) -> Iterator[Texts]:
    """Yield the texts, while the number of the first item of each part is noted."""
    start = 0
    for partition_texts in texts:
        starts.append(start)
        start += len(partition_texts[0])
        yield partition_texts


def _gather_shingles(
    items: NDArray[np.int64],
    sketched: list[RemoteValue],
    edges: list[int],
    text_columns: tuple[str, ...],
    scratch: ScratchSpace,
    workers: Workers,
) -> ItemShingles:
    """Return shingles of these ascending items, numbered anew in this order."""
    gathered = ItemShingles(text_columns, scratch)
    cuts = np.searchsorted(items, edges)
    partition_items = [
        items[a:b] - start for a, b, start in zip(cuts[:-1], cuts[1:], edges, strict=False)
    ]
    for more in workers.map(_select_shingles, sketched, partition_items):
        gathered.then(more)
    return gathered


def _sketch_texts(text_columns: tuple[str, ...], texts: Texts) -> MinHashSketches:
    sketches = MinHashSketches(text_columns, len(texts[0]), ScratchSpace())
    sketches.add(*texts)
    return sketches


def _keys_by_receiver(
    threshold: float, receivers: int, sketches: MinHashSketches, start: int
) -> list[KeyedItems]:
    """Return keys of all bands and the items that have them, of each receiver of keys."""
    items = np.arange(start, start + sketches.items)
    keys: list[NDArray[np.uint64]] = []
    owners: list[NDArray[np.int64]] = []
    for band in sketches.bands(threshold):
        # The same number in two bands is no match.
        keys.append(np.add(band, np.uint64(len(keys)), dtype=np.uint64))
        owners.append(items)
    key, owner = np.concatenate(keys), np.concatenate(owners)
    receiver = key % np.uint64(receivers)
    return [(key[receiver == r], owner[receiver == r]) for r in range(receivers)]


def _receive_keys(*keyed_items: KeyedItems) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    keys, items = (np.concatenate(column) for column in zip(*keyed_items, strict=True))
    return shared_keys(keys, items)


def _select_shingles(sketches: MinHashSketches, items: NDArray[np.int64]) -> ItemShingles:
    return sketches.shingles.of(items, ScratchSpace())
