"""Token ids of texts, word by word: most words of a set repeat, and each is tokenised once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

_SPACE = "▁"
_ACROSS = re.compile(f"[^{_SPACE}]{_SPACE}")
_WORD = r" +[^ ]*"
_UNKNOWN = -1
_KEPT = 100_000
"""Words from which on those of earlier batches are forgotten."""

_NONE = np.empty(0, dtype=np.int64)

Ids = tuple["NDArray[np.int64]", "NDArray[np.int64]"]
"""Ids of texts, one text behind the other, and how many each text has."""


class WordTokens:
    """The ids that a SentencePiece tokenizer gives whole texts, several times as fast.

    It marks the start of a word by a space. Where no token of the vocabulary goes on behind such a
    space, merges never cross the start of a word, and a text's tokens are those of its words.

    Args:
        tokenizer: of the library tokenizers, without truncation and padding.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        vocabulary = tokenizer.get_vocab()
        self._lone_space = vocabulary.get(_SPACE, _UNKNOWN)
        self._by_words = self._lone_space != _UNKNOWN and not any(map(_ACROSS.search, vocabulary))
        special = [re.escape(t.content) for t in tokenizer.get_added_tokens_decoder().values()]
        # A special token cuts a text in two, and the tokenizer starts each part anew; the sign
        # for a space, in a text, is one.
        self._odd = "|".join(["^$", _SPACE, *special])
        self._row: dict[str, int] = {}
        self._ids: NDArray[np.int64] = _NONE
        self._counts: NDArray[np.int64] = _NONE
        self._starts: NDArray[np.int64] = _NONE

    def ids(self, texts: list[str]) -> Ids:
        """Return ids of all texts, and the number of ids of each, (texts,)."""
        if not self._by_words or not texts:
            return self._encode_texts(texts)
        column = pl.Series("t", texts, dtype=pl.String)
        odd = column.str.contains(self._odd)
        if not odd.any():
            return self._word_by_word(column)
        parts: list[NDArray[np.int64]] = [_NONE] * len(texts)
        for mask, of in ((odd, self._encode_texts), (~odd, self._word_by_word)):
            word_ids, counts = of(column.filter(mask))
            pieces = np.split(word_ids, np.cumsum(counts)[:-1]) if len(counts) else []
            for number, piece in zip(mask.arg_true().to_list(), pieces, strict=True):
                parts[number] = piece
        return np.concatenate(parts), np.array([len(part) for part in parts], dtype=np.int64)

    def _encode_texts(self, texts: list[str] | pl.Series) -> Ids:
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        counts = np.array([len(e.ids) for e in encoded], dtype=np.int64)
        flat = [np.asarray(e.ids, dtype=np.int64) for e in encoded]
        return np.concatenate([_NONE, *flat]), counts

    def _word_by_word(self, texts: pl.Series) -> Ids:
        if texts.is_empty():
            return self._encode_texts([])
        # The tokenizer puts a space before the first word, as there is one before all others.
        words = pl.select((" " + texts).str.extract_all(_WORD).alias("w"))["w"]
        per_text = words.list.len().to_numpy().astype(np.int64)
        coded = words.explode().to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
        rows = self._rows(coded.dictionary.to_pylist())[coded.indices.to_numpy()]
        counts = self._counts[rows]
        # Place of each id: where its word's ids start, and its number among them.
        shift = self._starts[rows] - (np.cumsum(counts) - counts)
        word_ids = self._ids[np.repeat(shift, counts) + np.arange(int(counts.sum()))]
        return word_ids, np.add.reduceat(counts, np.cumsum(per_text) - per_text)

    def _rows(self, words: list[str]) -> NDArray[np.int64]:
        """Return where these words stand among those that are known; new ones are tokenised."""
        if len(self._row) > _KEPT:
            self._row.clear()
            self._ids = self._counts = self._starts = _NONE
        new = [word for word in words if word not in self._row]
        if new:
            self._row.update(
                zip(new, range(len(self._row), len(self._row) + len(new)), strict=True)
            )
            # Without the space before it, which the tokenizer puts there by itself.
            encoded = self._tokenizer.encode_batch_fast(
                [word[1:] for word in new], add_special_tokens=False
            )
            # It puts none before nothing: a space that ends a text.
            ids = [e.ids or [self._lone_space] for e in encoded]
            self._ids = np.concatenate([self._ids, *(np.asarray(i, dtype=np.int64) for i in ids)])
            self._counts = np.append(self._counts, [len(i) for i in ids])
            self._starts = np.cumsum(self._counts) - self._counts
        return np.fromiter((self._row[word] for word in words), dtype=np.int64, count=len(words))
