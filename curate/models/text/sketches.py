"""MinHash sketches of items, which find candidates, and their shingles, which confirm them.

Texts are read once, batch by batch; of each item a sketch of 256 bytes and the hashes of its
shingles stay, in mapped files where the run has a folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rensa import RMinHash

from curate.models.text.shingles import ShingleTable, jaccard_similarity, shingle_hashes
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


@dataclass(frozen=True)
class SketchedItems:
    """A batch of items: shingles of each part, and a MinHash sketch of all parts together.

    Attributes:
        shingles: of each part, in the order of the items.
        sketches: (items, permutations).
        media: (items,) numbers of their media; None: they have none.
    """

    shingles: ItemShingles
    sketches: NDArray[np.uint32]
    media: NDArray[np.uint64] | None

    @classmethod
    def from_texts(
        cls,
        texts: pl.DataFrame,
        media: NDArray[np.uint64] | None = None,
        scratch: ScratchSpace | None = None,
    ) -> SketchedItems:
        """Sketch items, whose parts are columns of texts; those of other media are never near."""
        scratch = scratch or ScratchSpace()
        shingles = ItemShingles(tuple(texts.columns), scratch)
        hashes, owners = [], []
        for part, table in shingles.tables.items():
            part_hashes, ends = shingle_hashes(texts[part])
            table.add(part_hashes, ends)
            # Words of the prompt are no words of an answer: each has hashes of its own.
            hashes.append(part_hashes ^ _PROMPT_MARK if part == "prompt" else part_hashes)
            owners.append(np.repeat(np.arange(len(texts)), np.diff(ends)))
        owner = np.concatenate(owners)
        flat = np.concatenate(hashes)[np.argsort(owner, kind="stable")].astype(np.uint64)
        ends = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(texts)))])
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            flat, ends.astype(np.uint64), _PERMUTATIONS, _SEED
        )
        rows = np.asarray(matrix.to_rows(), dtype=np.uint32).reshape(len(texts), _PERMUTATIONS)
        return cls(shingles, scratch.persist_array("sketches", rows), media)

    def band_keys(self, columns: slice) -> NDArray[np.uint64]:
        """Return one number for these columns of each sketch, (items,)."""
        # Items of other media share no bucket, however near their texts are.
        keys = np.zeros(len(self.sketches), np.uint64) if self.media is None else self.media.copy()
        for column in self.sketches[:, columns].T:
            mixed = (keys ^ column) * _MIX
            keys = mixed ^ (mixed >> np.uint64(29))
        return keys


def band_columns(threshold: float) -> list[slice]:
    """Return the columns of each band of the sketches: candidates agree in all of one of them.

    64 permutations (Broder 1997), in bands that fit the threshold: items whose similarity is just
    above it may share none.
    """
    bands, rows = band_shape(min(threshold, _MAX_BAND_THRESHOLD))
    return [slice(band * rows, (band + 1) * rows) for band in range(bands)]


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
