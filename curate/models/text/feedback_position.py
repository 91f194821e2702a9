"""Feedback that shows by its position: a short reply that denies or repeats what came before it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from curate.models.text.feedback import (
    DSAT,
    SAT,
    FeedbackPatterns,
    FeedbackSignal,
    feedback_signals,
)

_SHORT_WORDS = 9
"""Words of a reply that is read by its position: longer ones bring matter of their own."""
_FEW_WORDS = 3
"""Words of a reply that answers a question of the assistant."""
_CONFIDENCE = 0.5
"""Confidence of a rule of position: that of a pattern which another one contradicts."""
_WORD = r"[\p{L}\p{N}]+"
_STEM = 5
"""Letters by which words are compared: syllables and syllable are one."""
_ASKS_BACK = r"[?\uff1f]\W*$"
_AFFIRMATION = (
    r"(?i)^\W*(correct|right|exactly|precisely|yes+|yep|yeah)\W*"
    r"(,? (like that|exactly|that.?s it|as i)\b.*)?$"
)
_DENIAL = r"(?i)^\W*(wrong|incorrect|false|no+|nope|nah|no way)\W*$"
_NEGATION = (
    r"(?i)(\b(not|never|isn.?t|aren.?t|wasn.?t|weren.?t|doesn.?t|don.?t|didn.?t|hasn.?t|can.?t|"
    r"though|actually|nicht|kein\w*|nunca|não|niet|geen)\b|不是|没有|ではない|じゃない)"
)
# "But 7 is not ...": the statement is of something in the answer, not of the user's own affairs.
_OWN_AFFAIRS = (
    r"(?i)\b(i|we|you|me|my|your|it|they|he|she)\b|[?\uff1f]|^\W*(wh(at|o|ich|en|y|ere)|how)\b"
)


def exchange_signals(
    exchanges: Sequence[tuple[str, str, str]], patterns: FeedbackPatterns | None = None
) -> list[FeedbackSignal | None]:
    """Return the signal of each reply, None where none is seen.

    Patterns are tried first. Without one, a lone "wrong" or "exactly" refers to the answer unless
    the answer ended with a question; a reply of up to 9 words is a complaint if it starts with a
    word of the answer and denies something of it ("A trout is a fish though"), or if it has up to 4
    words and no content word that the prompt does not have ("one sentence!"). All have confidence
    0.5. Up to 3 words after a question of the assistant are an answer, whatever they match.

    Args:
        exchanges: texts of (prompt, answer, reply).
        patterns: default those that come with curate.

    Examples:
        >>> signal, = exchange_signals([("Even ones?", "2, 4 and 7.", "But 7 is not even")])
        >>> signal.kind, signal.rubric
        ('DSAT', 'contradiction')
    """
    signals = feedback_signals([reply for _, _, reply in exchanges], patterns)
    positions = _signals_by_position(exchanges)
    return [
        None if is_answer else signal or position
        for signal, (position, is_answer) in zip(signals, positions, strict=True)
    ]


def _signals_by_position(
    exchanges: Sequence[tuple[str, str, str]],
) -> list[tuple[FeedbackSignal | None, bool]]:
    """Return the signal of each reply by its position, and whether it answers a question."""
    columns = ("prompt", "answer", "reply")
    frame = pl.DataFrame(list(exchanges), schema=dict.fromkeys(columns, pl.String), orient="row")
    prompt, answer, reply = (_content_stems(name) for name in columns)
    word_count = pl.col("reply").str.count_matches(_WORD)
    asks = pl.col("answer").str.contains(_ASKS_BACK)
    is_statement = ~asks & ~pl.col("reply").str.contains(_OWN_AFFAIRS)
    contradicts = (
        (word_count <= _SHORT_WORDS)
        & pl.col("reply").str.contains(_NEGATION)
        & answer.list.contains(reply.list.first())
    )
    repeats = (word_count <= 4) & (reply.list.len() > 0)
    repeats &= reply.list.set_difference(prompt).list.len() == 0
    rubrics = frame.select(
        pl.when(~asks & pl.col("reply").str.contains(_AFFIRMATION))
        .then(pl.lit("affirmation"))
        .when(~asks & pl.col("reply").str.contains(_DENIAL))
        .then(pl.lit("denial"))
        .when(is_statement & contradicts)
        .then(pl.lit("contradiction"))
        .when(is_statement & repeats)
        .then(pl.lit("repeated_constraint")),
        asks & (word_count <= _FEW_WORDS),
    )
    return [(_signal_of(rubric), bool(is_answer)) for rubric, is_answer in rubrics.iter_rows()]


def _signal_of(rubric: str | None) -> FeedbackSignal | None:
    if rubric is None:
        return None
    return FeedbackSignal(SAT if rubric == "affirmation" else DSAT, rubric, _CONFIDENCE)


def _content_stems(column: str) -> pl.Expr:
    """Return the distinct first letters of the words with a meaning; digits count as words."""
    words = pl.col(column).str.to_lowercase().str.extract_all(_WORD)
    is_content = (pl.element().str.len_chars() > 3) | pl.element().str.contains(r"^\d+$")
    stems = words.list.eval(pl.element().filter(is_content).str.slice(0, _STEM))
    return stems.list.eval(pl.element().filter(~pl.element().is_in(_COMMON))).list.unique(
        maintain_order=True
    )


_COMMON = re.findall(
    r"\w{1,5}",
    "about also been both does each even every from give have here into just like make many more "
    "most much need only other pleas same said some still such than that them then there these "
    "they this those very want well were what when where which while will with word words would "
    "write your thoug actua wasn doesn didn would certa alrea",
)
"""Words that an answer and a reply share by chance."""
