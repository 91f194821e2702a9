"""Near duplicates among pairs: MinHash-LSH finds candidates, exact Jaccard decides.

Texts are read once, batch by batch; of each pair a sketch of 256 bytes and the hashes of its
shingles stay, in mapped files where the run has a folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from datasketch import MinHashLSH
from rensa import RMinHash

from curate.data.hashes import content_keys, hashed, numbers_by_appearance
from curate.data.row_parts import MEDIA_PARTS, REJECTED_MEDIA, present, row_part_keys
from curate.data.table import BATCH_ROWS, batches, messages_text
from curate.models.text.shingles import ShingleTable, jaccard
from curate.store.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.context import Progress

_PERMUTATIONS = 64
_SEED = 1
_MAX_INDEX_THRESHOLD = 0.9
_PROMPT_MARK = np.uint32(0x5BD1E995)
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Sketches:
    """Shingles of the parts of items, and MinHash sketches of all parts together.

    Args:
        parts: what an item is made of: "prompt", and "chosen" with "rejected".
        items: number of items.
        workspace: gives room to them.
    """

    def __init__(self, parts: tuple[str, ...], items: int, workspace: Workspace) -> None:
        self._tables = {part: ShingleTable(workspace) for part in parts}
        self._sketches: NDArray[np.uint32] = workspace.array(
            "sketches", (items, _PERMUTATIONS), np.uint32
        )
        self._media: NDArray[np.uint64] = workspace.array("sketched_media", (items,), np.uint64)
        self._items = 0

    def add(self, texts: pl.DataFrame, media: NDArray[np.uint64] | None = None) -> None:
        """Add items, whose parts are columns of texts; those of other media are never near."""
        hashes, owners = [], []
        for part, table in self._tables.items():
            found, ends = table.add(texts[part])
            hashes.append(found ^ _PROMPT_MARK if part == "prompt" else found)
            owners.append(np.repeat(np.arange(len(texts)), np.diff(ends)))
        owner = np.concatenate(owners)
        flat = np.concatenate(hashes)[np.argsort(owner, kind="stable")].astype(np.uint64)
        ends = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(texts)))])
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            flat, ends.astype(np.uint64), _PERMUTATIONS, _SEED
        )
        rows = slice(self._items, self._items + len(texts))
        self._sketches[rows] = matrix.to_rows()
        self._media[rows] = 0 if media is None else media
        self._items = rows.stop

    def similarity(self, first: int, second: int) -> float:
        """The least Jaccard similarity of the parts; answers are matched in the better order."""
        found = []
        if "prompt" in self._tables:
            found.append(self._jaccard("prompt", first, "prompt", second))
        if "chosen" in self._tables:
            straight, crossed = (
                min(
                    self._jaccard("chosen", first, one, second),
                    self._jaccard("rejected", first, other, second),
                )
                for one, other in (("chosen", "rejected"), ("rejected", "chosen"))
            )
            found.append(max(straight, crossed))
        return min(found)

    def _jaccard(self, part: str, first: int, other_part: str, second: int) -> float:
        return jaccard(self._tables[part].of(first), self._tables[other_part].of(second))

    def earlier_near_duplicate(self, threshold: float) -> NDArray[np.int64]:
        """For each item the first earlier kept one that it nearly repeats, or -1; (items,).

        An item is kept when its `similarity` to no kept item before it reaches `threshold`.
        Candidates share a band of their sketches (Broder 1997; 64 permutations, bands chosen by
        datasketch for the threshold): an item just above it can be missed, one below it is never
        reported.
        """
        found = np.full(self._items, -1, dtype=np.int64)
        kept: dict[int, list[int]] = {}
        for item, buckets in self._sharing(threshold):
            near = sorted({other for bucket in buckets for other in kept.get(bucket, ())})
            similar = (o for o in near if self.similarity(item, o) >= threshold)
            found[item] = next(similar, -1)
            if found[item] < 0:
                for bucket in buckets:
                    kept.setdefault(bucket, []).append(item)
        return found

    def clusters(self, threshold: float) -> NDArray[np.int64]:
        """Number of each item's cluster, that of its first item; (items,).

        Items whose `similarity` reaches the threshold are in one cluster, and so is whatever hangs
        together with them.
        """
        root = np.arange(self._items, dtype=np.int64)

        def find(item: int) -> int:
            while root[item] != item:
                root[item] = root[root[item]]
                item = int(root[item])
            return item

        seen: dict[int, list[int]] = {}
        for item, buckets in self._sharing(threshold):
            for other in sorted({o for bucket in buckets for o in seen.get(bucket, ())}):
                first, second = find(item), find(other)
                # Comparing costs more than looking whether they hang together already.
                if first != second and self.similarity(item, other) >= threshold:
                    root[max(first, second)] = min(first, second)
            for bucket in buckets:
                seen.setdefault(bucket, []).append(item)
        return np.array([find(item) for item in range(self._items)], dtype=np.int64)

    def _sharing(self, threshold: float) -> Iterator[tuple[int, list[int]]]:
        """Items that share a band with another one, in order, and numbers of those bands."""
        # The index needs two bands at least, which a threshold near 1 would not give.
        index = MinHashLSH(
            threshold=min(threshold, _MAX_INDEX_THRESHOLD),
            num_perm=_PERMUTATIONS,
            weights=(0.2, 0.8),
        )
        items, buckets = [], []
        taken = 0
        for band in range(index.b):
            keys = self._band(slice(band * index.r, (band + 1) * index.r))
            values, number, counts = np.unique(keys, return_inverse=True, return_counts=True)
            shared = np.flatnonzero(counts[number] > 1)
            items.append(shared)
            buckets.append(number[shared] + taken)
            taken += len(values)
        item, bucket = np.concatenate(items), np.concatenate(buckets)
        order = np.argsort(item, kind="stable")
        item, bucket = item[order], bucket[order]
        starts = np.flatnonzero(np.diff(item, prepend=-1))
        stops = np.append(starts, len(item))[1:]
        for start, stop in zip(starts, stops, strict=True):
            yield int(item[start]), bucket[start:stop].tolist()

    def _band(self, columns: slice) -> NDArray[np.uint64]:
        """One number for the columns of each sketch, (items,)."""
        keys = self._media[: self._items].copy()
        for rows in batches(self._items, BATCH_ROWS):
            for column in self._sketches[rows, columns].T:
                mixed = (keys[rows] ^ column) * _MIX
                keys[rows] = mixed ^ (mixed >> np.uint64(29))
        return keys


def nearly_repeats(
    pairs: pl.DataFrame,
    parts: tuple[str, ...],
    threshold: float,
    progress: Progress,
    workspace: Workspace | None = None,
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
    sketches = Sketches(parts, len(first), workspace or Workspace())
    with progress.task("near duplicates", len(first)) as task:
        for rows in batches(len(pairs), BATCH_ROWS):
            own = first[slice(*np.searchsorted(first, [rows.start, rows.stop]))]
            if len(own):
                texts = pairs[rows][own - rows.start]
                said = texts.select(messages_text(part).alias(part) for part in parts)
                sketches.add(said, _media_hashes(texts, answers="chosen" in parts))
                task.advance(len(own))
    earlier = sketches.earlier_near_duplicate(threshold)
    repeated = earlier >= 0
    ids = pairs["pair_id"]
    of = pl.Series([None] * len(first), dtype=pl.String)
    names = ids[first[earlier[repeated]]]
    of = of.scatter(np.flatnonzero(repeated), names) if len(names) else of
    return of[numbers].alias("_of")


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
                total += own.hash(_SEED).set(apart | (own == ""), 0).to_numpy()
    return total
