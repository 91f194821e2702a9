"""Names of columns: those that mean the same in every dataset, and the words of a name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import combinations

SYSTEM = ("system", "system_prompt", "system_message")
"""Columns of a system text, which goes before the prompt."""
SIDE_WORDS = (
    ("a", "b"), ("1", "2"), ("0", "1"), ("left", "right"), ("first", "second"), ("one", "two"),
    ("x", "y"),
)  # fmt: skip
"""Words that distinguish two answers in their columns' names (`answer_a`, `answer_b`)."""


VERDICT_WORDS = frozenset(
    ("safe", "correct", "good", "helpful", "accepted", "valid", "passed", "liked", "approved")
)
"""Words of columns that say of one answer whether it is good."""
FEEDBACK_WORDS = frozenset(("feedback", "thumb", "thumbs", "reaction", "vote", "rating", "verdict"))
"""Words of columns whose values may be such verdicts as texts: up, down, like, ..."""
_FEEDBACK = frozenset(
    ("up", "down", "thumbs_up", "thumbs_down", "thumbsup", "thumbsdown", "like", "dislike")
) | {"positive", "negative", "good", "bad", "👍", "👎"}


def split_name_words(name: str) -> list[str]:
    """Return the lower-case words of a column's name, also of one in camel case."""
    # modelA is two words.
    spaced = "".join(f" {c}" if c.isupper() else c for c in name)
    return "".join(c if c.isalnum() else " " for c in spaced).lower().split()


def split_name(name: str) -> list[str]:
    """Return the words of a name, with a digit at the end as its own word (`answer1`)."""
    words = split_name_words(name)
    # response1 is "response" and "1", while "gpt4" in the middle of a name stays whole.
    if words and len(words[-1]) > 1 and words[-1][-1].isdigit() and words[-1][:-1].isalpha():
        words = [*words[:-1], words[-1][:-1], words[-1][-1]]
    return words


def find_column(names: Sequence[str], words: Sequence[str]) -> str | None:
    """Return the first column whose name holds one of the words; earlier words go first."""
    for word in words:
        for name in names:
            # The outer loop is that of the words: the clearest that any column has decides.
            if word == name.lower() or word in split_name_words(name):
                return name
    return None


def find_side_columns(
    names: Sequence[str], sides: Sequence[tuple[str, str]]
) -> tuple[str, str] | None:
    """Return two columns whose names differ by one pair of words only, in the pair's order."""
    for first_name, second_name in combinations(names, 2):
        first_words, second_words = split_name(first_name), split_name(second_name)
        if len(first_words) != len(second_words):
            continue
        pairs = zip(first_words, second_words, strict=True)
        different = [(first, second) for first, second in pairs if first != second]
        if len(different) != 1:
            continue
        if different[0] in sides:
            return first_name, second_name
        if different[0][::-1] in sides:
            return second_name, first_name
    return None


def holds_feedback(rows: Sequence[Mapping[str, object]], name: str) -> bool:
    """Return whether a column is named like feedback and says up or down, good or bad."""
    if FEEDBACK_WORDS.isdisjoint(split_name_words(name)):
        return False
    values = {str(row[name]) for row in rows if row.get(name) not in (None, "")}
    return bool(values) and {re.sub("[ -]", "_", v.strip().lower()) for v in values} <= _FEEDBACK
