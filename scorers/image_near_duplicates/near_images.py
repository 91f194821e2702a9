"""Perceptual hashes of images, and which of them nearly agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from curate.scoring import need

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of a perceptual hash.
_BITS = 64
_FLAT_BELOW = 50_000
"""Images from which on hashes are looked up by their parts: comparing all takes too long."""
_SEGMENTS = 4
_BATCH = 8192


def perceptual_hashes(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return imagehash's pHash of each (32, 32) grey picture, as (images, 8) bytes."""
    need("imagehash", "media", "perceptual hashes")
    import imagehash
    from PIL import Image

    out = np.empty((len(small), _BITS // 8), dtype=np.uint8)
    for i, grey in enumerate(small):
        out[i] = np.packbits(imagehash.phash(Image.fromarray(grey)).hash)
    return out


def first_near_image(
    hashes: NDArray[np.uint8], decoded: NDArray[np.bool_], distance: int
) -> NDArray[np.int64]:
    """Return for each image the first whose hash differs by at most `distance` bits, (images,).

    An image that is near to an earlier one never leads others: a chain of small changes is not one
    group. Images that were not decoded lead only themselves.

    Args:
        hashes: (images, 8) bytes.
        decoded: which of them are those of images.
        distance: in bits.
    """
    decoded_rows = np.flatnonzero(decoded)
    group = np.arange(len(hashes), dtype=np.int64)
    # Equal hashes are one: sets of generated images hold many exact copies.
    codes, first, which = np.unique(
        hashes[decoded_rows], axis=0, return_index=True, return_inverse=True
    )
    order = np.argsort(first)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    leader = _hash_leaders(codes[order], distance)
    group[decoded_rows] = decoded_rows[first[order][leader[rank[which.ravel()]]]]
    return group


def _hash_leaders(codes: NDArray[np.uint8], distance: int) -> NDArray[np.int64]:
    """Return for each distinct hash the earliest that leads it, itself where none does."""
    import faiss

    index: Any = faiss.IndexBinaryFlat(_BITS)
    if len(codes) > _FLAT_BELOW:
        # Hashes that differ by less than 4 (flips + 1) bits agree in a part but for the flips.
        index = faiss.IndexBinaryMultiHash(_BITS, _SEGMENTS, _BITS // _SEGMENTS)
        index.nflip = distance // _SEGMENTS
    index.add(codes)
    leader = np.arange(len(codes), dtype=np.int64)
    for start in range(0, len(codes), _BATCH):
        # faiss takes distances below the radius, not up to it.
        limits, _, matches = index.range_search(codes[start : start + _BATCH], distance + 1)
        for i in range(len(limits) - 1):
            near = matches[limits[i] : limits[i + 1]]
            earlier = near[near < start + i]
            # Those that another image leads already lead nobody.
            leads = earlier[leader[earlier] == earlier]
            if len(leads):
                leader[start + i] = leads.min()
    return leader
