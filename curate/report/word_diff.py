"""Two answers with the words marked in which they differ."""

from __future__ import annotations

import re

from markupsafe import Markup, escape
from rapidfuzz.distance import LCSseq

MAX_CHARACTERS = 4000
"""Characters of an answer that are compared and shown."""
_PIECE = re.compile(r"\s+|\w+\s*|[^\w\s]\s*")


def word_diff(chosen: str, rejected: str) -> tuple[Markup, Markup]:
    """Return both answers as HTML: `<ins>` for words only in chosen, `<del>` only in rejected.

    Texts are escaped, cut after 4,000 characters, and say so.
    """
    first_pieces, second_pieces = (
        _PIECE.findall(text[:MAX_CHARACTERS]) for text in (chosen, rejected)
    )
    html_pieces: tuple[list[Markup], list[Markup]] = ([], [])
    for operation in LCSseq.opcodes(first_pieces, second_pieces):
        kind = operation.tag
        i, j = operation.src_start, operation.src_end
        k, m = operation.dest_start, operation.dest_end
        for side, pieces, tag in ((0, first_pieces[i:j], "ins"), (1, second_pieces[k:m], "del")):
            text = escape("".join(pieces))
            same = kind == "equal" or not text.strip()
            html_pieces[side].append(text if same else Markup("<{0}>{1}</{0}>").format(tag, text))
    return _join_pieces(html_pieces[0], chosen), _join_pieces(html_pieces[1], rejected)


def _join_pieces(pieces: list[Markup], text: str) -> Markup:
    hidden = len(text) - MAX_CHARACTERS
    note = Markup(' <span class="cut">… {:,} more characters</span>').format(hidden)
    return Markup("").join([*pieces, note] if hidden > 0 else pieces)
