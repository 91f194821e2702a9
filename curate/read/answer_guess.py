"""Guesses the one answer of each row, and what it is worth."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from curate.data.answer_scores import SCORE_WORDS
from curate.read.column_names import (
    FEEDBACK_WORDS,
    VERDICT_WORDS,
    find_column,
    holds_feedback,
    split_name_words,
)

if TYPE_CHECKING:  # the formats import `column_guess`, which imports this module
    from curate.read.formats.base import RowSample

_ANSWER_WORDS = (
    "answer", "response", "completion", "output", "outputs", "reply", "target", "targets",
    "solution", "summary", "generation", "answers",
)  # fmt: skip
_REFERENCE_WORDS = ("expected", "reference", "ref", "gold", "truth", "original")
_VERDICT_WORDS = (
    *("label", "kto", "chosen", "preferred", "selected", "best"),
    *sorted(VERDICT_WORDS | FEEDBACK_WORDS),
)
_PROMPT_WORDS = re.compile(r"prompt|question|instruction|query|problem|input", re.IGNORECASE)


def guess_single_answer(rows: RowSample, names: list[str]) -> dict[str, str] | None:
    """Return the column of an answer, and that of its score or of a verdict on it.

    A score counts only where prompts repeat: else there is nothing that it could be compared with.
    """
    texts = [name for name in names if _holds(rows, name, str)]
    candidates = [name for name in texts if _is_named_answer(name)]
    if not candidates:
        return None
    # The longest: others are the result alone, or what it is about.
    answer = max(candidates, key=lambda name: sum(len(row.get(name) or "") for row in rows))
    return {"answer": answer, **_guess_worth(rows, names, texts)}


def _guess_worth(rows: RowSample, names: list[str], texts: list[str]) -> dict[str, str]:
    """Return the column of a verdict on each answer, or of its score; nothing if there is none."""
    verdicts = [n for n in names if _holds(rows, n, bool) or holds_feedback(rows, n)]
    verdict = find_column(verdicts, _VERDICT_WORDS)
    if verdict:
        return {"label": verdict}
    if not _has_repeated_prompts(rows, texts):
        return {}
    numbers = [n for n in names if _holds(rows, n, int, float)]
    scores = [n for n in numbers if _is_named_score(n)]
    if len(scores) == 1:
        return {"score": scores[0]}
    rank = None if scores else find_column(numbers, ("rank", "ranking"))
    return {"rank": rank} if rank else {}


def _is_named_answer(name: str) -> bool:
    """Return whether a name is that of an answer, and not of one that others are compared with."""
    words = set(split_name_words(name))
    return not words.isdisjoint(_ANSWER_WORDS) and words.isdisjoint(_REFERENCE_WORDS)


def _is_named_score(name: str) -> bool:
    return not SCORE_WORDS.isdisjoint(split_name_words(name))


def _has_repeated_prompts(rows: RowSample, names: list[str]) -> bool:
    """Return whether a column named like a prompt holds some text several times."""
    prompts = [name for name in names if _PROMPT_WORDS.search(name)]
    return any(len({row.get(name) for row in rows}) < len(rows) for name in prompts)


def _holds(rows: RowSample, name: str, *kinds: type) -> bool:
    """Return whether all values of a column are of these very types."""
    values = [row[name] for row in rows if row.get(name) is not None]
    return bool(values) and all(type(value) in kinds for value in values)
