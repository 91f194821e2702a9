"""Finds the columns with scores of both answers by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import polars as pl

from curate.data.json_fields import extra_value

SCORE_WORDS = {"score", "scores", "rating", "ratings", "reward", "rewards", "grade", "points"}
"""Words by which a column is called a score."""
_MARGINS = ("margin", "score_margin", "reward_margin", "score_diff", "score_gap")
"""Columns of the chosen answer's score less the rejected one's."""
_WORD = re.compile(r"[a-z0-9]+")


def score_columns(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the first two columns that hold a score of the chosen and of the rejected answer.

    Their names hold a word for a score and differ in `chosen` and `rejected` alone.

    Examples:
        >>> score_columns(["prompt", "chosen", "rejected", "chosen-rating", "rejected-rating"])
        ('chosen-rating', 'rejected-rating')
        >>> score_columns(["chosen_score", "chosen_model", "rejected_model"]) is None
        True
    """
    by_words = {tuple(_WORD.findall(name.lower())): name for name in names}
    for words, name in by_words.items():
        if "chosen" not in words or not SCORE_WORDS.intersection(words):
            continue
        # All other words alike: score_chosen does not belong to length_rejected.
        other = by_words.get(tuple("rejected" if w == "chosen" else w for w in words))
        if other is not None:
            return name, other
    return None


def gap_columns(names: Iterable[str]) -> tuple[str, ...]:
    """Return the two columns of `score_columns`, else the column of their difference, else nothing.

    Examples:
        >>> gap_columns(["chosen", "rejected", "margin"])
        ('margin',)
    """
    names = list(names)
    scores = score_columns(names)
    return scores or tuple(name for name in _MARGINS if name in names)[:1]


def score_gap(keys: Sequence[str]) -> pl.Expr:
    """Return the number of the first key in `extra` minus that of the second, if there is one.

    Null where a number is missing or not finite.
    """
    values = [score_number(key) for key in keys]
    gap = values[0] - values[1] if len(values) > 1 else values[0]
    # A NaN or an infinity is no score: null, like a missing one.
    return pl.when(gap.is_finite()).then(gap)


def score_number(key: str) -> pl.Expr:
    """Return the number under a key, or under nested keys that are joined by dots."""
    value = extra_value(key)
    if "." in key:
        # A key may hold a dot itself, or name a field of an object.
        value = pl.coalesce(value, extra_value(*key.split(".")))
    return value.cast(pl.Float64, strict=False)
