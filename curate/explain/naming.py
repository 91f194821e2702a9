"""Words by which a feature can be named: over many prompts its side has them, the other has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

from curate.explain.contrasts import TermTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXTREMES = 200
"""Pairs of largest activation that are read for a name."""
MIN_PROMPTS = 5
"""Prompts in which one side alone must have a word: fewer are a topic."""
_MIN_Z = 4.0
"""Standard errors by which a term must lean to one side, with prompts as units: of thousands of
terms one in ten features has a higher one by chance."""
_WORDS = 6


def extreme_rows(features: NDArray[np.float32], count: int = EXTREMES) -> list[NDArray[np.int64]]:
    """Return for each feature the pairs of largest activation, by size; fewer where fewer fire."""
    rows = []
    for column in features.T:
        fired = np.flatnonzero(column)
        order = np.argsort(-np.abs(column[fired]), kind="stable")
        rows.append(fired[order[:count]])
    return rows


def feature_words(
    table: TermTable, features: NDArray[np.float32], groups: NDArray[np.int64], words: int = _WORDS
) -> list[tuple[list[str], list[str]]]:
    """Return terms of either end of each feature that hold across prompts.

    A pair in which the answer with the feature alone has a term counts for it, one in which the
    other answer alone has it counts against; pairs of a prompt are added first, so that a prompt
    counts once however many pairs it has. Terms of fewer than five prompts are left out: they are
    the topic of these. The first list is that of the feature's side, the second that of the answers
    without it, which often says more.

    Args:
        table: which answer of each pair has which term.
        features: (pairs, features) activations, positive where chosen has the feature.
        groups: (pairs,) number of each pair's prompt.
        words: terms of either end at most.
    """
    pairs, numbers = len(groups), np.unique(groups, return_inverse=True)[1]
    gather = csr_matrix((np.ones(pairs), (numbers, np.arange(pairs))))
    named = []
    for column in features.T:
        towards = table.differences.multiply(np.sign(column)[:, None])
        lean = csr_matrix(gather @ csr_matrix(towards)).sign()
        support = np.asarray(abs(lean).sum(axis=0)).ravel()
        z = np.asarray(lean.sum(axis=0)).ravel() / np.sqrt(np.maximum(support, 1.0))
        z[support < MIN_PROMPTS] = 0.0
        named.append((_leading_terms(z, table, words), _leading_terms(-z, table, words)))
    return named


def _leading_terms(z: NDArray[np.float64], table: TermTable, words: int) -> list[str]:
    """Return the terms that lean most to a side, none a part of another."""
    order = [int(i) for i in np.argsort(-z, kind="stable")[: 4 * words] if z[i] >= _MIN_Z]
    terms: list[str] = []
    for name in (table.names[i] for i in order):
        text = name.split("'", 1)[-1].rstrip("'")
        if not any(text in other or other in text for other in terms):
            terms.append(name if name.startswith(("more", "has")) else text)
    return terms[:words]
