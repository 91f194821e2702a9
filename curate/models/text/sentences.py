"""Sentences of answers, the sources they cite, and how well a source covers each."""

from __future__ import annotations

import polars as pl

from curate.data.table import messages_text
from curate.models.text.answer_counts import SENTENCE, content_word_hashes, word_hashes

_CITATION_AFTER_STOP = r"([.!?])[ \t]*((?:\[\d{1,3}\][ \t]*)+)"
"""A citation behind the end of a sentence, which belongs to that sentence."""
_CITED = r"\[(\d{1,3})\]"


def split_sentences(pairs: pl.DataFrame, side: str) -> pl.DataFrame:
    """Return each sentence of an answer as a row: `row`, `sentence`, `words`, `cited`.

    `words` are hashes of the distinct words that mean something, `cited` the numbers in brackets.
    Sentences without a word that means anything are left out.
    """
    texts = pairs.select(t=messages_text(side).str.replace_all(_CITATION_AFTER_STOP, "${2}${1} "))
    frame = texts.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    frame = frame.select("row", sentence=pl.col("t").str.extract_all(SENTENCE))
    frame = frame.explode("sentence").drop_nulls("sentence").with_row_index("number")
    plain = pl.col("sentence").str.replace_all(_CITED, " ").str.strip_chars()
    cited = (
        pl.col("sentence")
        .str.extract_all(_CITED)
        .list.eval(pl.element().str.strip_chars("[]").cast(pl.Int64))
    )
    frame = frame.with_columns(cited=cited, sentence=plain)
    frame = frame.with_columns(words=content_word_hashes(word_hashes("sentence")))
    return frame.filter(pl.col("words").list.len() > 0)


def word_coverage(answer_sentences: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
    """Return for each sentence and source of its pair the share of the sentence's words in the
    source.

    Args:
        answer_sentences: result of `split_sentences`.
        sources: `row`, `source` and `text` of each source.

    Returns:
        `said` with `source` and `covered` (0 to 1), one row a sentence and source.
    """
    source_words = sources.with_columns(held=content_word_hashes(word_hashes("text"))).drop("text")
    both = answer_sentences.join(source_words, on="row", how="inner", maintain_order="left_right")
    shared = pl.col("words").list.set_intersection("held").list.len()
    return both.with_columns(covered=shared / pl.col("words").list.len()).drop("held")
