"""MinHash sketches of items, which find candidates, and their shingles, which confirm them.

Texts are read once, batch by batch; of each item a sketch of 256 bytes and the hashes of its
shingles stay, in mapped files where the run has a folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from rensa import RMinHash

from curate.data.table import BATCH_ROWS, batch_slices
from curate.models.text.shingles import ShingleTable, jaccard_similarity
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

# The error of a Jaccard estimate is 1 / sqrt of it; candidates are compared exactly afterwards.
_PERMUTATIONS = 64
_SEED = 1
# Bands for a higher one are so long that nearly equal texts are missed.
_MAX_BAND_THRESHOLD = 0.9
# A false candidate costs one comparison, a missed one a duplicate: recall counts four times.
_FALSE_CANDIDATE_COST, _MISSED_PAIR_COST = 0.2, 0.8
_SIMILARITY_STEPS = 1000
_PROMPT_MARK = np.uint32(0x5BD1E995)
_MIX = np.uint64(0x9E3779B97F4A7C15)


class ItemShingles:
    """Shingles of the parts of items.

    Args:
        text_columns: text columns of an item: "prompt", and "chosen" with "rejected".
        scratch: where they are stored.
    """

    def __init__(self, text_columns: tuple[str, ...], scratch: ScratchSpace) -> None:
        self.tables = {part: ShingleTable(scratch) for part in text_columns}

    def of(self, items: NDArray[np.int64], scratch: ScratchSpace) -> ItemShingles:
        """Return the shingles of some items, numbered anew in this order."""
        selected = ItemShingles(tuple(self.tables), scratch)
        for part, table in self.tables.items():
            selected.tables[part].add_hashes([table.of(item) for item in items.tolist()])
        return selected

    def then(self, following: ItemShingles) -> None:
        """Add the items of others below these."""
        for part, table in self.tables.items():
            more = following.tables[part]
            table.add_hashes([more.of(item) for item in range(len(more))])

    def similarity(self, first: int, second: int) -> float:
        """Return the least Jaccard similarity of the parts; answers are matched in the better
        order."""
        similarities = []
        if "prompt" in self.tables:
            similarities.append(self._jaccard("prompt", first, "prompt", second))
        if "chosen" in self.tables:
            # The order of the answers does not count.
            straight, crossed = (
                min(
                    self._jaccard("chosen", first, one, second),
                    self._jaccard("rejected", first, other, second),
                )
                for one, other in (("chosen", "rejected"), ("rejected", "chosen"))
            )
            similarities.append(max(straight, crossed))
        return min(similarities)

    def _jaccard(self, part: str, first: int, other_part: str, second: int) -> float:
        return jaccard_similarity(self.tables[part].of(first), self.tables[other_part].of(second))


class MinHashSketches:
    """Shingles of items, and MinHash sketches of all their parts together.

    Args:
        text_columns: text columns of an item.
        items: number of items.
        scratch: where they are stored.
    """

    def __init__(self, text_columns: tuple[str, ...], items: int, scratch: ScratchSpace) -> None:
        self.shingles = ItemShingles(text_columns, scratch)
        self._sketches: NDArray[np.uint32] = scratch.array(
            "sketches", (items, _PERMUTATIONS), np.uint32
        )
        self._media: NDArray[np.uint64] = scratch.array("sketched_media", (items,), np.uint64)
        self.items = 0

    def add(self, texts: pl.DataFrame, media: NDArray[np.uint64] | None = None) -> None:
        """Add items, whose parts are columns of texts; those of other media are never near."""
        hashes, owners = [], []
        for part, table in self.shingles.tables.items():
            table_hashes, ends = table.add(texts[part])
            # Words of the prompt are no words of an answer: each has hashes of its own.
            hashes.append(table_hashes ^ _PROMPT_MARK if part == "prompt" else table_hashes)
            owners.append(np.repeat(np.arange(len(texts)), np.diff(ends)))
        owner = np.concatenate(owners)
        flat = np.concatenate(hashes)[np.argsort(owner, kind="stable")].astype(np.uint64)
        ends = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(texts)))])
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            flat, ends.astype(np.uint64), _PERMUTATIONS, _SEED
        )
        rows = slice(self.items, self.items + len(texts))
        self._sketches[rows] = matrix.to_rows()
        self._media[rows] = 0 if media is None else media
        self.items = rows.stop

    def bands(self, threshold: float) -> Iterator[NDArray[np.uint64]]:
        """Yield a key of each item for each band of its sketch, (items,): candidates share one.

        64 permutations (Broder 1997), in bands that fit the threshold: items whose similarity is
        just above it may share none.
        """
        bands, rows = band_shape(min(threshold, _MAX_BAND_THRESHOLD))
        for band in range(bands):
            yield self._keys(slice(band * rows, (band + 1) * rows))

    def _keys(self, columns: slice) -> NDArray[np.uint64]:
        """Return one number for the columns of each sketch, (items,)."""
        # Items of other media share no bucket, however near their texts are.
        keys = self._media[: self.items].copy()
        for rows in batch_slices(self.items, BATCH_ROWS):
            for column in self._sketches[rows, columns].T:
                mixed = (keys[rows] ^ column) * _MIX
                keys[rows] = mixed ^ (mixed >> np.uint64(29))
        return keys


def band_shape(threshold: float) -> tuple[int, int]:
    """Return the number of bands, and of rows in each, that suit a threshold of similarity best.

    Items of similarity s share a band with probability 1 - (1 - s^rows)^bands (Leskovec et al.,
    Mining of Massive Datasets, 3.4); false candidates below the threshold and missed pairs above
    it are weighed over all similarities alike, as datasketch does.
    """
    similarity = (np.arange(_SIMILARITY_STEPS) + 0.5) / _SIMILARITY_STEPS
    is_near = similarity >= threshold

    def cost(shape: tuple[int, int]) -> float:
        bands, rows = shape
        candidate = 1.0 - (1.0 - similarity**rows) ** bands
        false_candidates, missed = candidate[~is_near].sum(), (1.0 - candidate[is_near]).sum()
        return float(_FALSE_CANDIDATE_COST * false_candidates + _MISSED_PAIR_COST * missed)

    bands = range(1, _PERMUTATIONS + 1)
    return min(((b, r) for b in bands for r in range(1, _PERMUTATIONS // b + 1)), key=cost)
