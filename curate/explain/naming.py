"""Words by which a feature can be named: its side of a pair has them and the other has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import CountVectorizer

from curate.data.table import gather_pairs, messages_text

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

EXTREMES = 200
"""Pairs of largest activation that are read for a name."""
# A word in fewer texts names these, and no feature.
_MIN_TEXTS = 3
_WORDS = 6
_FEWEST = 2


def extreme_rows(features: NDArray[np.float32], count: int = EXTREMES) -> list[NDArray[np.int64]]:
    """Return for each feature the pairs of largest activation, by size; fewer where fewer fire."""
    rows = []
    for column in features.T:
        fired = np.flatnonzero(column)
        order = np.argsort(-np.abs(column[fired]), kind="stable")
        rows.append(fired[order[:count]])
    return rows


def feature_words(
    pairs: pl.DataFrame, features: NDArray[np.float32], words: int = _WORDS
) -> list[tuple[list[str], list[str]]]:
    """Return words of either end of each feature by class-based tf-idf.

    The measure is BERTopic's (arXiv 2203.05794, eq. 2). A class is one side of a feature: the
    answers, over its extreme pairs, towards which it points (chosen where it is positive), or the
    other ones. A word scores tf log(1 + A / f), with tf its share of the class's words, f its count
    in all classes and A the mean words of a class; words are ranked by how much more they score on
    one side than on the other. The first list is that of the feature's side, the second that of the
    answers without it, which often says more.
    """
    tops = extreme_rows(features)
    sides: list[list[str]] = []
    for column, rows in zip(features.T, tops, strict=True):
        texts = gather_pairs(pairs, rows).select(
            chosen=messages_text("chosen"), rejected=messages_text("rejected")
        )
        points = pl.Series(column[rows] > 0)
        sides.append(texts["chosen"].zip_with(points, texts["rejected"]).to_list())
        sides.append(texts["rejected"].zip_with(points, texts["chosen"]).to_list())
    counts, names = _count_words(sides)
    if not names:
        return [([], []) for _ in tops]
    total = np.asarray(counts.sum(axis=0)).ravel()
    size = np.asarray(counts.sum(axis=1)).ravel()
    share = counts.toarray() / np.maximum(size, 1)[:, None]
    score = share * np.log1p(size.mean() / np.maximum(total, 1))
    lead = score[::2] - score[1::2]
    return [(_largest_words(row, names, words), _largest_words(-row, names, words)) for row in lead]


def _largest_words(row: NDArray[np.float64], names: list[str], words: int) -> list[str]:
    return [names[i] for i in np.argsort(-row, kind="stable")[:words] if row[i] > 0]


def _count_words(sides: list[list[str]]) -> tuple[csr_matrix, list[str]]:
    """Return the counts of words that occur in several texts, (classes, words)."""
    texts = [text for side in sides for text in side]
    owner = np.repeat(np.arange(len(sides)), [len(side) for side in sides])
    counter = CountVectorizer(
        token_pattern=r"(?u)\b[^\W\d_]{2,}\b", min_df=min(_MIN_TEXTS, max(len(texts), 1))
    )
    if len(texts) < _FEWEST:
        return np.zeros((len(sides), 0)), []
    try:
        counts = counter.fit_transform(texts)
    except ValueError:  # no word is left
        return np.zeros((len(sides), 0)), []
    from scipy.sparse import csr_matrix

    member = csr_matrix(
        (np.ones(len(texts)), (owner, np.arange(len(texts)))), shape=(len(sides), len(texts))
    )
    return (member @ counts).tocsr(), list(counter.get_feature_names_out())
