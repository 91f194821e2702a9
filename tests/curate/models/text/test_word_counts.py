"""Words counted in bytes are those that a pattern finds."""

from __future__ import annotations

import random
import sys

import polars as pl

from curate.models.text.word_counts import count_words


def test_words_are_the_matches_of_the_pattern() -> None:
    """Texts of all white space of Unicode, of letters of one to four bytes, and empty ones."""
    rng = random.Random(0)
    spaces = [chr(code) for code in range(sys.maxunicode) if chr(code).isspace()]
    letters = [*"ab.,\x00\x1b\u200b", "é", "“", "‐", "は", "　", "𝄞", "\u0086", "\u2030", "\ufeff"]
    texts = pl.Series(
        "t", ["".join(rng.choices(spaces + letters * 2, k=rng.randrange(12))) for _ in range(3000)]
    )
    counts = count_words(texts)
    assert counts.name == "t"
    assert counts.to_list() == texts.str.count_matches(r"\S+").to_list()
    # A part of a column, whose bytes begin within those of the whole.
    assert count_words(texts[1000:1010]).to_list() == counts[1000:1010].to_list()


def test_texts_without_bytes_have_no_words() -> None:
    """Neither do no texts at all."""
    assert count_words(pl.Series("t", ["", ""])).to_list() == [0, 0]
    assert count_words(pl.Series("t", [], dtype=pl.String)).to_list() == []
