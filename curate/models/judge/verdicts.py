"""What a judge's reply says of two answers, and what two replies in both orders say together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Mode = Literal["choice", "score"]
CHOSEN, REJECTED, TIE = "chosen", "rejected", "tie"
UNREADABLE = "unreadable reply"

_CHOICE = re.compile(r"\[\[\s*([ABC])\s*\]\]")
_RATING = re.compile(r"\[\[\s*(\d+(?:\.\d+)?)\s*\]\]")
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_SHARES = {"A": (1.0, 0.0), "B": (0.0, 1.0), "C": (0.5, 0.5)}


def values_of(reply: str, mode: Mode) -> tuple[float, float] | None:
    """Value of the first and second answer in a reply, None where it cannot be read.

    A choice gives 1 to the better answer and 0 to the other one, a half to both of a tie. The last
    marks count: a reply may weigh aloud before it decides.
    """
    spoken = _THOUGHT.sub("", reply)
    if mode == "choice":
        marks = _CHOICE.findall(spoken)
        return _SHARES[marks[-1]] if marks else None
    ratings = _RATING.findall(spoken)
    return (float(ratings[-2]), float(ratings[-1])) if len(ratings) > 1 else None


def begins_with_verdict(reply: str, mode: Mode) -> bool:
    """Whether a reply gives its verdict before it says why, so that a cut takes none of it."""
    marks = _CHOICE if mode == "choice" else _RATING
    return marks.match(reply.lstrip()) is not None and values_of(reply, mode) is not None


def rationale_of(reply: str) -> str:
    """The reply without hidden thoughts and without its marks."""
    spoken = _THOUGHT.sub("", reply)
    return _RATING.sub("", _CHOICE.sub("", spoken)).strip()


@dataclass(frozen=True)
class Verdict:
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


def settled(given: tuple[float, float], swapped: tuple[float, float]) -> Verdict:
    """The verdict of two replies; where they differ in the winner it is a tie.

    Args:
        given: values with the chosen answer first.
        swapped: values with the rejected answer first.
    """
    winners = [_winner(given[0] - given[1]), _winner(swapped[1] - swapped[0])]
    chosen, rejected = (given[0] + swapped[1]) / 2.0, (given[1] + swapped[0]) / 2.0
    consistent = winners[0] == winners[1]
    winner = winners[0] if consistent else TIE
    return Verdict(
        chosen, rejected, 0.0 if winner == TIE else chosen - rejected, winner, consistent
    )


def _winner(margin: float) -> str:
    return CHOSEN if margin > 0 else REJECTED if margin < 0 else TIE
