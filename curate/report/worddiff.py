"""Two answers with the words marked in which they differ."""

from __future__ import annotations

import re

from markupsafe import Markup, escape
from rapidfuzz.distance import LCSseq

LONGEST = 4000
"""Characters of an answer that are compared and shown."""
_PIECE = re.compile(r"\s+|\w+\s*|[^\w\s]\s*")


def word_diff(first: str, second: str) -> tuple[Markup, Markup]:
    """Chosen and rejected as HTML: `<ins>` marks words of the chosen alone, `<del>` of the other.

    Texts are escaped, cut after 4,000 characters, and say so.
    """
    left, right = (_PIECE.findall(text[:LONGEST]) for text in (first, second))
    parts: tuple[list[Markup], list[Markup]] = ([], [])
    for operation in LCSseq.opcodes(left, right):
        kind = operation.tag
        i, j = operation.src_start, operation.src_end
        k, m = operation.dest_start, operation.dest_end
        for side, pieces, tag in ((0, left[i:j], "ins"), (1, right[k:m], "del")):
            text = escape("".join(pieces))
            same = kind == "equal" or not text.strip()
            parts[side].append(text if same else Markup("<{0}>{1}</{0}>").format(tag, text))
    return _joined(parts[0], first), _joined(parts[1], second)


def _joined(parts: list[Markup], text: str) -> Markup:
    more = len(text) - LONGEST
    note = Markup(' <span class="cut">… {:,} more characters</span>').format(more)
    return Markup("").join([*parts, note] if more > 0 else parts)
