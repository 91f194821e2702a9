"""Scores of both answers that a file holds beside them, by the names of their columns."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SCORE_WORDS = {"score", "scores", "rating", "ratings", "reward", "rewards", "grade", "points"}
_WORD = re.compile(r"[a-z0-9]+")


def score_columns(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two columns that hold a score of the chosen and of the rejected answer.

    Their names hold a word for a score and differ in `chosen` and `rejected` alone.

    Examples:
        >>> score_columns(["prompt", "chosen", "rejected", "chosen_rating", "rejected_rating"])
        ('chosen_rating', 'rejected_rating')
        >>> score_columns(["chosen_score", "chosen_model", "rejected_model"]) is None
        True
    """
    by_words = {tuple(_WORD.findall(name.lower())): name for name in names}
    for words, name in by_words.items():
        if "chosen" not in words or not _SCORE_WORDS.intersection(words):
            continue
        other = by_words.get(tuple("rejected" if w == "chosen" else w for w in words))
        if other is not None:
            return name, other
    return None
