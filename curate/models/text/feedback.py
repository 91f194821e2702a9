"""What a user's turn says of the answer before it: satisfaction, dissatisfaction, or neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import polars as pl
import yaml

from curate.errors import CurateError, first_line

SAT, DSAT = "SAT", "DSAT"
FeedbackPatterns = Mapping[str, Mapping[str, Sequence[str]]]
"""Signal to rubric to patterns."""
_MAX_CHARACTERS = 300
"""Characters of a turn: what a user says of an answer comes first, pasted texts come later."""


@dataclass(frozen=True)
class FeedbackSignal:
    """What a turn says.

    Attributes:
        kind: `SAT` or `DSAT`.
        rubric: by which it was seen.
        confidence: 1 where nothing speaks for the other kind, 0.5 where something does: a
            complaint with thanks is a complaint.
    """

    kind: str
    rubric: str
    confidence: float


@cache
def shipped_patterns() -> FeedbackPatterns:
    """Return the patterns that come with curate."""
    text = (
        resources.files("curate.models.text").joinpath("feedback_patterns.yaml").read_text("utf-8")
    )
    patterns: FeedbackPatterns = yaml.safe_load(text)
    return patterns


def read_patterns(path: Path | None) -> FeedbackPatterns:
    """Return a user's patterns; None: the shipped ones.

    Raises:
        CurateError: the file is no such table, or a pattern cannot be read.
    """
    if path is None:
        return shipped_patterns()
    try:
        patterns = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CurateError(
            "the patterns cannot be read", where=str(path), found=first_line(error)
        ) from None
    shape = isinstance(patterns, dict) and set(patterns) == {SAT, DSAT}
    if not shape or not all(_is_rubric_table(part) for part in patterns.values()):
        raise CurateError(
            "the file holds no patterns",
            where=str(path),
            expected=f"{SAT} and {DSAT}, each with rubrics, each with a list of patterns",
        )
    try:
        # Tried on nothing: a pattern that cannot be read must not be met after an hour of scoring.
        feedback_signals([""], patterns)
    except pl.exceptions.PolarsError as error:
        raise CurateError(
            "a pattern cannot be read",
            where=str(path),
            found=first_line(error),
            expected="regular expressions of Rust",
        ) from None
    return dict(patterns)


def _is_rubric_table(table: object) -> bool:
    return isinstance(table, dict) and all(
        isinstance(patterns, list) and all(isinstance(p, str) for p in patterns)
        for patterns in table.values()
    )


def feedback_signals(
    turns: Sequence[str], patterns: FeedbackPatterns | None = None
) -> list[FeedbackSignal | None]:
    """Return the signal of each user's turn, None where none is seen.

    Args:
        turns: texts.
        patterns: default those that come with curate.
    """
    table = patterns or shipped_patterns()
    start = pl.col("t").str.slice(0, _MAX_CHARACTERS)
    names = [(kind, rubric) for kind, rubrics in table.items() for rubric in rubrics]
    matches = pl.DataFrame({"t": pl.Series(list(turns), dtype=pl.String)}).select(
        start.str.contains("(?i)" + "|".join(f"(?:{p})" for p in table[kind][rubric]))
        .fill_null(False)
        .alias(f"{kind}/{rubric}")
        for kind, rubric in names
    )
    return [_signal_from_row(row, names) for row in matches.iter_rows()]


def _signal_from_row(row: tuple[bool, ...], names: list[tuple[str, str]]) -> FeedbackSignal | None:
    matched_rubrics: dict[str, str] = {}
    for matched, (kind, rubric) in zip(row, names, strict=True):
        if matched:
            matched_rubrics.setdefault(kind, rubric)
    if not matched_rubrics:
        return None
    # "Thanks, but that is wrong" is a complaint.
    kind = DSAT if DSAT in matched_rubrics else SAT
    return FeedbackSignal(kind, matched_rubrics[kind], 1.0 / len(matched_rubrics))
