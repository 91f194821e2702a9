"""What a judge's reply says of one answer or two, and what both orders say together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Mode = Literal["choice", "score", "rating"]
CHOSEN, REJECTED, TIE = "chosen", "rejected", "tie"
UNREADABLE = "unreadable reply"

SCALE = (1.0, 10.0)
"""Range of ratings that the built-in question asks for."""
# Longer lines hold more than a verdict; a bound keeps patterns from long blanks.
_LONGEST_LINE = 200

_NUMBER = r"\[\[\s*(\d{1,3}(?:\.\d{1,6})?)\s*\]\]"
_MARK: dict[Mode, str] = {
    "choice": r"\[\[\s*([ABC])\s*\]\]",
    "score": _NUMBER,
    "rating": _NUMBER,
}
_MARKS = {mode: re.compile(mark) for mode, mark in _MARK.items()}
# What may stand beside a verdict on its line: emphasis, punctuation, a short label before it.
_EDGE = r"[\s*_`.!:,;()-]*"
_LABEL = r"(?:[\w ]{0,40}[:=])?"
_BETWEEN = r"(?:\s|[*_`,;:/&()-]|and|or|vs|answer|assistant|[AB]\b){0,30}?"
_VERDICT: dict[Mode, str] = {
    "choice": _MARK["choice"],
    "score": _NUMBER + _BETWEEN + _NUMBER,
    # A scale may be repeated: [[7]]/10, [[7]] out of 10.
    "rating": _NUMBER + r"(?:\s{0,3}(?:/|of|out of)\s{0,3}\d{1,3})?",
}
_BARE_LINE = {m: re.compile(f"{_EDGE}{_LABEL}{_EDGE}{v}{_EDGE}") for m, v in _VERDICT.items()}
_LINE_END = {m: re.compile(f"{v}[\\s*_`.!)]*$") for m, v in _VERDICT.items()}
_REPLY_START = {m: re.compile(f"{_EDGE}{v}") for m, v in _VERDICT.items()}
# A thought that no end closes was cut: nothing after its beginning is a verdict.
_THOUGHT = re.compile(r"\A\s*<think>.*?(?:</think>|\Z)", re.DOTALL)
_SHARES = {"A": (1.0, 0.0), "B": (0.0, 1.0), "C": (0.5, 0.5)}


def parse_verdict_values(
    reply: str, mode: Mode, scale: tuple[float, float] = SCALE
) -> tuple[float, float] | None:
    """Return the values of the first and second answer in a reply, None where none is readable.

    A choice gives 1 to the better answer and 0 to the other one, a half to both of a tie. A reply
    may weigh aloud and cite marks. What counts is, in this order: the last line that holds nothing
    but a verdict; a verdict at the end of the last line; one at the beginning of the reply; marks
    that name one verdict in the whole reply. Ratings outside the scale are none.

    Examples:
        >>> parse_verdict_values("B cites [[A]], and is better.\\n[[B]]", "choice")
        (0.0, 1.0)
        >>> parse_verdict_values("[[8]] [[3]]. B cites [[12]].", "score")
        (8.0, 3.0)
        >>> parse_verdict_values("[[99]] [[3]]", "score") is None
        True
    """
    groups = _verdict_marks(reply, mode)
    if groups is None:
        return None
    if mode == "choice":
        return _SHARES[groups[0]]
    first, second = float(groups[0]), float(groups[1])
    low, high = scale
    return (first, second) if low <= min(first, second) <= max(first, second) <= high else None


def parse_rating(reply: str, scale: tuple[float, float] = SCALE) -> float | None:
    """Return the rating of one answer in a reply, None where none is readable.

    What counts is as in `parse_verdict_values`; a rating outside the scale is none.

    Examples:
        >>> parse_rating("It cites [[2]] sources.\\n[[7]]/10")
        7.0
        >>> parse_rating("[[7]]", scale=(1.0, 5.0)) is None
        True
    """
    marks = _verdict_marks(reply, "rating")
    rating = None if marks is None else float(marks[0])
    return rating if rating is not None and scale[0] <= rating <= scale[1] else None


def _verdict_marks(reply: str, mode: Mode) -> tuple[str, ...] | None:
    """Return the marks of the verdict in a reply: one letter, two numbers or one number."""
    visible = _visible_text(reply)
    match = _verdict_match(visible, mode)
    return match.groups() if match else _only_verdict(visible, mode)


def _verdict_match(visible: str, mode: Mode) -> re.Match[str] | None:
    lines = [line for line in visible.splitlines() if line.strip()]
    short = (line for line in reversed(lines) if len(line) <= _LONGEST_LINE)
    bare = (match for line in short if (match := _BARE_LINE[mode].fullmatch(line)))
    match = next(bare, None)
    if match is None and lines:
        match = _LINE_END[mode].search(lines[-1][-_LONGEST_LINE:])
    return match or _REPLY_START[mode].match(visible)


def _only_verdict(visible: str, mode: Mode) -> tuple[str, ...] | None:
    """Return the marks of a reply that names one verdict only, wherever its marks stand."""
    marks = _MARKS[mode].findall(visible)
    if mode == "score":
        return tuple(marks) if len(marks) == 2 else None
    return (marks[0],) if len(set(marks)) == 1 else None


def _visible_text(reply: str) -> str:
    """Return a reply without the thought that it begins with."""
    return _THOUGHT.sub("", reply, count=1)


def begins_with_verdict(reply: str, mode: Mode, scale: tuple[float, float] = SCALE) -> bool:
    """Return whether the verdict comes before its reason, so that a cut takes none of it."""
    starts = _REPLY_START[mode].match(reply.lstrip()) is not None
    if mode == "rating":
        return starts and parse_rating(reply, scale) is not None
    return starts and parse_verdict_values(reply, mode, scale) is not None


def strip_verdict(reply: str) -> str:
    """Return the reply without hidden thoughts and without its marks."""
    visible = _visible_text(reply)
    return _MARKS["score"].sub("", _MARKS["choice"].sub("", visible)).strip()


@dataclass(frozen=True)
class JudgeVerdict:
    """What both orders say together.

    Attributes:
        chosen: mean value of the preferred answer.
        rejected: mean value of the other one.
        margin: chosen less rejected, 0 where the two orders do not name the same winner.
        winner: `CHOSEN`, `REJECTED` or `TIE`.
        consistent: both orders name the same winner, or both none.
    """

    chosen: float
    rejected: float
    margin: float
    winner: str
    consistent: bool


def settle_verdict(in_order: tuple[float, float], swapped: tuple[float, float]) -> JudgeVerdict:
    """Return the verdict of two replies; where they differ in the winner it is a tie.

    Args:
        in_order: values with the chosen answer first.
        swapped: values with the rejected answer first.
    """
    winners = [
        _winner_of_margin(in_order[0] - in_order[1]),
        _winner_of_margin(swapped[1] - swapped[0]),
    ]
    chosen, rejected = (in_order[0] + swapped[1]) / 2.0, (in_order[1] + swapped[0]) / 2.0
    consistent = winners[0] == winners[1]
    winner = winners[0] if consistent else TIE
    return JudgeVerdict(
        chosen, rejected, 0.0 if winner == TIE else chosen - rejected, winner, consistent
    )


def _winner_of_margin(margin: float) -> str:
    return CHOSEN if margin > 0 else REJECTED if margin < 0 else TIE
