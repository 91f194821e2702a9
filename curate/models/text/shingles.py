"""Shingles of texts, runs of words as hashes, and how similar two texts are by them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.store.scratch import ScratchSpace

# Scripts that write words without spaces are taken character by character.
_SCRIPTS = ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7AF))
_WORD = re.compile("".join(["[", *(f"{chr(a)}-{chr(b)}" for a, b in _SCRIPTS), r"]|\w+"]))
_WORD_POLARS = "".join(["[", *(rf"\x{{{a:x}}}-\x{{{b:x}}}" for a, b in _SCRIPTS), r"]|\w+"])
# Shorter runs are shared by chance, longer ones break at every changed word.
SHINGLE_WORDS = 3
# Fixed: sketches of different runs and workers must agree.
_SEED = 7
# Odd constants of 64-bit hash functions, one per position: the order of words counts.
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
_HALF = np.uint64(32)

Shingles = frozenset[int]


def split_words(text: str) -> list[str]:
    """Return the words of a text in lower case; the text itself where it has none."""
    return _WORD.findall(text.lower()) or [text]


def text_shingles(text: str, length: int = SHINGLE_WORDS) -> Shingles:
    """Return hashes of all runs of `length` words, case ignored; a shorter text is one shingle."""
    words = split_words(text)
    runs = max(len(words) - length + 1, 1)
    # The separator keeps "a bc" and "ab c" apart.
    return frozenset(crc32("\x1f".join(words[i : i + length]).encode()) for i in range(runs))


class ShingleTable:
    """Shingles of many texts at once: for each text sorted, distinct 32-bit hashes.

    Hashes are not those of `text_shingles`, but distinguish the same runs of words.

    Args:
        scratch: space for them.
    """

    def __init__(self, scratch: ScratchSpace) -> None:
        self._scratch = scratch
        self._hashes: list[NDArray[np.uint32]] = []
        self._ends: list[NDArray[np.int64]] = []
        self._starts = [0]

    def __len__(self) -> int:
        return self._starts[-1]

    def add(self, hashes: NDArray[np.uint32], ends: NDArray[np.int64]) -> None:
        """Add texts by their `shingle_hashes`."""
        self._hashes.append(self._scratch.persist_array("shingles", hashes))
        self._ends.append(ends)
        self._starts.append(self._starts[-1] + len(ends) - 1)

    def select(self, texts: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return `shingle_hashes` of some texts of the one batch that was added."""
        (hashes,), (ends,) = self._hashes, self._ends
        lengths = ends[texts + 1] - ends[texts]
        selected_ends = np.concatenate([[0], np.cumsum(lengths)])
        # Place of each hash: that of its text's first one, and then its own within the text.
        places = np.repeat(ends[texts] - selected_ends[:-1], lengths) + np.arange(lengths.sum())
        return hashes[places], selected_ends

    def of(self, text: int) -> NDArray[np.uint32]:
        """Return the shingles of one text."""
        array_index = int(np.searchsorted(self._starts, text, side="right")) - 1
        at = text - self._starts[array_index]
        ends = self._ends[array_index]
        return self._hashes[array_index][ends[at] : ends[at + 1]]


def shingle_hashes(texts: pl.Series) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return sorted, distinct hashes of the runs of three words of each text.

    Returns:
        All hashes, those of one text after those of another, and (texts + 1,) where each begins.
    """
    text = pl.col("t")
    words = text.str.to_lowercase().str.extract_all(_WORD_POLARS)
    # A text without words is one shingle of itself: two such texts are equal or apart.
    words = pl.when(words.list.len() > 0).then(words).otherwise(pl.concat_list(text))
    word_lists = pl.DataFrame({"t": texts.fill_null("")}).select(w=words)
    lengths = word_lists["w"].list.len().to_numpy().astype(np.int64)
    hashed = word_lists["w"].explode().hash(_SEED).to_numpy()
    runs = np.maximum(lengths - SHINGLE_WORDS + 1, 1)
    begins = np.cumsum(lengths) - lengths
    owner = np.repeat(np.arange(len(texts)), runs)
    # Place of each run among all words: that of its text, and then its own within it.
    first = np.arange(len(owner)) - np.repeat(np.cumsum(runs) - runs, runs) + begins[owner]
    value = np.zeros(len(owner), dtype=np.uint64)
    for offset, factor in enumerate(_FACTORS):
        inside = offset < lengths[owner]
        at = np.minimum(first + offset, max(len(hashed) - 1, 0))
        value += np.where(inside, hashed[at] * factor, np.uint64(0)) if len(hashed) else value
    # The text in the upper half, the run in the lower one: a single sort does both.
    keys = _sorted_distinct((owner.astype(np.uint64) << _HALF) | (value >> _HALF))
    counts = np.bincount((keys >> _HALF).astype(np.int64), minlength=len(texts))
    ends = np.concatenate([[0], np.cumsum(counts)])
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32), ends


def _sorted_distinct(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the distinct values in order: `np.unique` uses a hash table, 15 times as slow
    here."""
    ordered = np.sort(values)
    first = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def jaccard_similarity(first: NDArray[np.uint32], second: NDArray[np.uint32]) -> float:
    """Return shared shingles over all shingles of both, each sorted and distinct."""
    shared = len(np.intersect1d(first, second, assume_unique=True))
    total = len(first) + len(second) - shared
    return float(shared / total)
