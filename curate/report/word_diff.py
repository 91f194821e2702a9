"""Two answers with the words marked in which they differ."""

from __future__ import annotations

import re
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup, escape

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_CHARACTERS = 4000
"""Characters of an answer that are compared and shown."""
_PIECE = re.compile(r"\s+|\w+\s*|[^\w\s]\s*")


def word_diff(chosen: str, rejected: str) -> tuple[Markup, Markup]:
    """Return both answers as HTML: `<ins>` for words only in chosen, `<del>` only in rejected.

    Texts are escaped, cut after 4,000 characters, and say so.
    """
    first, second = (_PIECE.findall(text[:MAX_CHARACTERS]) for text in (chosen, rejected))
    first_shared, second_shared = _shared_pieces(first, second)
    return (
        _marked_text(first, first_shared, "ins", chosen),
        _marked_text(second, second_shared, "del", rejected),
    )


def _shared_pieces(
    first: list[str], second: list[str]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which pieces of either text are in their longest common subsequence."""
    codes = {piece: code for code, piece in enumerate({*first, *second})}
    rows = np.array([codes[piece] for piece in first], dtype=np.int64)
    columns = np.array([codes[piece] for piece in second], dtype=np.int64)
    # The whole table, a row at a time: difflib takes 20 seconds for two texts of repeated words.
    lengths = np.zeros((len(rows) + 1, len(columns) + 1), dtype=np.int16)
    for i, code in enumerate(rows):
        diagonal = lengths[i, :-1] + (columns == code)
        np.maximum.accumulate(np.maximum(diagonal, lengths[i, 1:]), out=lengths[i + 1, 1:])
    is_shared = np.zeros(len(rows), dtype=bool), np.zeros(len(columns), dtype=bool)
    i, j = len(rows), len(columns)
    while i and j:
        if rows[i - 1] == columns[j - 1]:
            i, j = i - 1, j - 1
            is_shared[0][i] = is_shared[1][j] = True
        elif lengths[i - 1, j] >= lengths[i, j - 1]:
            i -= 1
        else:
            j -= 1
    return is_shared


def _marked_text(pieces: list[str], is_shared: NDArray[np.bool_], tag: str, text: str) -> Markup:
    html_pieces = []
    for same, run in groupby(zip(is_shared.tolist(), pieces, strict=True), key=itemgetter(0)):
        run_text = escape("".join(piece for _, piece in run))
        is_plain = same or not run_text.strip()
        html_pieces.append(run_text if is_plain else Markup("<{0}>{1}</{0}>").format(tag, run_text))
    return _join_pieces(html_pieces, text)


def _join_pieces(pieces: list[Markup], text: str) -> Markup:
    hidden = len(text) - MAX_CHARACTERS
    note = Markup(' <span class="cut">… {:,} more characters</span>').format(hidden)
    return Markup("").join([*pieces, note] if hidden > 0 else pieces)
