"""Counts of an answer's form, and of what it shares with its prompt, as polars expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curate.models.text.traits import TRAITS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CJK = r"\x{3400}-\x{9fff}\x{3040}-\x{30ff}\x{ac00}-\x{d7af}"
_WORD = rf"[{_CJK}]|[\w--[{_CJK}]]+"
"""A word; a Chinese, Japanese or Korean character counts as one."""
_STOP = (  # noqa: SIM905 (a list of words reads best as a text)
    "the a an of to in and or is are was were be been it this that for on with as at by from i you "
    "he she they we my your his her their our me him them us"
).split()
_HEDGES = (
    r"\b(?:maybe|perhaps|might|could|possibly|probably|i think|i'm not sure|unsure"
    r"|i don't know|i do not know)\b"
)
_YOU, _I = r"\byou(?:r|rs)?\b", r"\bI\b|\bI'm\b|(?i:\bmy\b)"
_YES = ("yes", "sure", "certainly", "of", "ok", "okay", "great", "absolutely")
_NO = ("no", "sorry", "unfortunately", "i")
# The golden ratio in 64 bits, as in Fibonacci hashing: spreads neighbouring hashes.
_UNUSUAL = 0x9E3779B97F4A7C15
_ECHO = 40
"""Characters of the prompt that an answer may repeat."""
_ENDS = r".!?\x{3002}\x{ff01}\x{ff1f}"
"""What ends a sentence, in Chinese and Japanese too."""
SENTENCE = rf"[^{_ENDS}\n]*[^\s{_ENDS}\n][^{_ENDS}\n]*"
_LITERALS = {
    "bold": "**",
    "paragraphs": "\n\n",
    "code": "`",
    "quotes": '"',
    "parentheses": "(",
    "colons": ":",
    "questions": "?",
    "exclamations": "!",
    "commas": ",",
}
_PATTERNS = {
    "headers": r"(?m)^#{1,6}\s",
    "list items": r"(?m)^\s*(?:[-*•]|\d+[.)])",
    "I": _I,
}
_LOWER_PATTERNS = {"hedges": _HEDGES, "you": _YOU}
"""Counted in the text in lower case, which is four times as fast as (?i)."""
_CHARACTERS = {
    "upper": r"\p{Lu}",
    "digits": r"\p{Nd}",
    "punctuation": r"[^\p{L}\p{N}\s]",
    "non-ASCII": r"[^\x00-\x7f]",
}


def answer_counts(texts: pl.DataFrame) -> NDArray[np.float32]:
    """Return counts of each answer, (rows, len(COUNTS)), not scaled.

    Args:
        texts: columns `prompt` and `answer` as texts.
    """
    return count_expressions(with_prompt_words(texts)).to_numpy().astype("float32")


def with_prompt_words(texts: pl.DataFrame) -> pl.DataFrame:
    """Return `asked`: the prompt's words that mean something, as numbers, each once.

    Words are compared by their hashes: sets of numbers are several times cheaper than of texts.
    """
    return texts.with_columns(asked=content_word_hashes(word_hashes("prompt")))


def word_hashes(column: str) -> pl.Expr:
    """Return hashes of the words of a column of texts, in order."""
    words = pl.col(column).str.to_lowercase().str.extract_all(_WORD)
    return words.list.eval(pl.element().hash())


def count_expressions(texts: pl.DataFrame) -> pl.DataFrame:
    """Return counts of `answer`, of a frame with `prompt` and `asked` too."""
    words = texts.with_columns(lower=pl.col("answer").str.to_lowercase())
    words = words.with_columns(words=pl.col("lower").str.extract_all(_WORD))
    # Step by step: polars would compute what several counts share anew for each of them.
    words = words.with_columns(hashes=pl.col("words").list.eval(pl.element().hash()))
    # What the answer says of what was asked: both sides as sets of hashes.
    words = words.with_columns(said=content_word_hashes(pl.col("hashes")))
    both = pl.col("asked").list.set_intersection("said").list.len()
    return words.with_columns(both=both).select(_count_columns())


def content_word_hashes(hashes: pl.Expr) -> pl.Expr:
    """Return distinct hashes of words, without those of words that mean nothing."""
    # Words that any two English texts share; counting them would make all answers look relevant.
    stop = pl.lit(pl.Series([pl.Series(_STOP).hash()]))
    return hashes.list.set_difference(stop)  # each once


def _count_columns() -> list[pl.Expr]:
    text, lower, words = pl.col("answer"), pl.col("lower"), pl.col("words")
    size, count = text.str.len_chars(), words.list.len()
    sentences, lines = text.str.count_matches(SENTENCE), text.str.split("\n")
    columns: dict[str, pl.Expr] = {
        # Logarithms of counts: twice as long weighs the same for short answers and for long ones.
        "characters": size.log1p(),
        "words": count.log1p(),
        "sentences": sentences.log1p(),
        "sentence length": (size / (sentences + 1)).log1p(),
        "word length": words.list.join("").str.len_chars() / (count + 1),
        "distinct words": pl.col("hashes").list.n_unique() / (count + 1),
        "distinct bigrams": _distinct_bigram_share(),
        **_shared_word_counts(),
        **{n: text.str.count_matches(p) / (size + 1) for n, p in _CHARACTERS.items()},
        "ended": text.str.contains(rf"[{_ENDS}]\s*$").cast(pl.Float64),
        "cut": text.str.contains(r"[,:;]\s*$").cast(pl.Float64),
        **{n: text.str.count_matches(s, literal=True).log1p() for n, s in _LITERALS.items()},
        **{n: text.str.count_matches(p).log1p() for n, p in _PATTERNS.items()},
        **{n: lower.str.count_matches(p).log1p() for n, p in _LOWER_PATTERNS.items()},
        "refusal": text.str.contains(TRAITS["refusal"]).cast(pl.Float64),
        "yes": words.list.first().is_in(_YES).fill_null(False).cast(pl.Float64),
        "no": words.list.first().is_in(_NO).fill_null(False).cast(pl.Float64),
        "echo": _echoes_prompt(),
        "longest line": lines.list.eval(pl.element().str.len_chars()).list.max().log1p(),
        "empty": (size == 0).cast(pl.Float64),
    }
    return [columns[name].cast(pl.Float64).fill_null(0.0).alias(name) for name in COUNTS]


def _distinct_bigram_share() -> pl.Expr:
    """Return the share of pairs of neighbouring words that are distinct."""
    # The order counts: the same two words the other way round are another pair.
    both = (
        pl.element() ^ (pl.element().shift(-1) * pl.lit(_UNUSUAL, dtype=pl.UInt64))
    ).drop_nulls()
    pairs = pl.col("hashes").list.eval(both)
    return pairs.list.n_unique() / (pairs.list.len() + 1)


def _shared_word_counts() -> dict[str, pl.Expr]:
    """Return how many of the prompt's words the answer has, and how many it has besides."""
    prompt_words, answer_words, shared_words = (
        pl.col("asked").list.len(),
        pl.col("said").list.len(),
        pl.col("both"),
    )
    return {
        "recall": shared_words / (prompt_words + 1),
        "precision": shared_words / (answer_words + 1),
        "new words": (answer_words - shared_words).log1p(),
    }


def _echoes_prompt() -> pl.Expr:
    """Return whether the answer repeats the beginning of the prompt."""
    start = pl.col("prompt").str.strip_chars().str.slice(0, _ECHO).str.to_lowercase()
    # An empty prompt stands at the start of every text.
    repeats = pl.col("lower").str.contains(start, literal=True)
    return (repeats & (start != "")).cast(pl.Float64)


COUNTS = (
    *("characters", "words", "sentences", "sentence length", "word length", "distinct words"),
    *("distinct bigrams", "recall", "precision", "new words"),
    *("upper", "digits", "punctuation", "non-ASCII", "ended", "cut"),
    *("bold", "headers", "list items", "paragraphs", "code", "quotes", "parentheses", "colons"),
    *("questions", "exclamations", "commas", "refusal", "hedges", "you", "I", "yes", "no"),
    *("echo", "longest line", "empty"),
)
"""What is counted, in the order of the columns."""
