"""Pairs from what users say of answers in the middle of a conversation (WildFeedback)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from curate.data.table import PAIR_COLUMNS, PairIds
from curate.models.text.feedback import (
    DSAT,
    SAT,
    FeedbackPatterns,
    FeedbackSignal,
    feedback_signals,
)
from curate.read.messages import Turn

MADE = "feedback"
"""What `extra.made` says of a pair that was made here."""
Judge = Callable[[Sequence["Conversation"]], list[dict[int, FeedbackSignal | None]]]
"""From conversations to the signal of each user's turn that follows an answer, by its number."""
Writer = Callable[[Sequence["Complaint"]], list[str | None]]
"""From complaints that no answer met to better answers; None where there is none."""


@dataclass(frozen=True)
class Conversation:
    """Messages, and where they stand.

    Attributes:
        turns: messages of the pair table.
        source: what reports call the file.
        row: in it.
    """

    turns: list[Turn]
    source: str
    row: int

    def feedback_turns(self) -> list[int]:
        """Numbers of the user's turns that follow an answer."""
        roles = [turn["role"] for turn in self.turns]
        return [
            i for i in range(1, len(roles)) if roles[i] == "user" and roles[i - 1] == "assistant"
        ]


@dataclass(frozen=True)
class Complaint:
    """An answer that a user complained of.

    Attributes:
        conversation: where.
        answer: number of the answer's turn.
        turn: number of the complaint.
        signal: what it says.
    """

    conversation: Conversation
    answer: int
    turn: int
    signal: FeedbackSignal

    @property
    def prompt(self) -> list[Turn]:
        """What the answer followed."""
        return self.conversation.turns[: self.answer]

    @property
    def said(self) -> str:
        """What the user said of the answer."""
        return text_of(self.conversation.turns[self.turn])


@dataclass
class Feedback:
    """What was found.

    Attributes:
        pairs: the pair table.
        counts: conversations, those with either signal, and why complaints gave no pair.
    """

    pairs: pl.DataFrame
    counts: Counter[str] = field(default_factory=Counter)


def judged_by(tell: Callable[[list[tuple[str, str]]], list[FeedbackSignal | None]]) -> Judge:
    """A judge that is told each answer and what the user said next.

    Args:
        tell: gives the signal of each (answer, turn).
    """

    def judge(conversations: Sequence[Conversation]) -> list[dict[int, FeedbackSignal | None]]:
        places = [(n, t) for n, c in enumerate(conversations) for t in c.feedback_turns()]
        shown = [
            (text_of(conversations[n].turns[t - 1]), text_of(conversations[n].turns[t]))
            for n, t in places
        ]
        found: list[dict[int, FeedbackSignal | None]] = [{} for _ in conversations]
        for (number, turn), signal in zip(places, tell(shown), strict=True):
            found[number][turn] = signal
        return found

    return judge


def by_patterns(patterns: FeedbackPatterns | None = None) -> Judge:
    """A judge by patterns; default those that come with curate."""
    return judged_by(lambda shown: feedback_signals([said for _, said in shown], patterns))


def text_of(turn: Turn) -> str:
    """The text of a message; of one without it, nothing."""
    return turn["content"] or ""


def feedback_pairs(
    conversations: Sequence[Conversation],
    judge: Judge,
    writer: Writer | None = None,
    ids: PairIds | None = None,
) -> Feedback:
    """A pair for each answer that a user complained of and a later one that satisfied.

    The rejected answer is the one before a complaint (DSAT). The chosen one is the first later
    answer that is followed by satisfaction (SAT), with nothing but complaints between: a turn that
    says neither asks for something else. Both stand under the prompt of the first (WildFeedback,
    arXiv 2408.15549, has a model write the preferred answer; so does `writer` where no answer
    satisfied). `extra` holds rubric, turn and confidence of both signals.

    Args:
        conversations: some of a data set's.
        judge: finds the signals.
        writer: writes an answer where none satisfied; None: such complaints give no pair.
        ids: of the data set.
    """
    counts: Counter[str] = Counter(conversations=len(conversations))
    rows: list[dict[str, Any]] = []
    open_: list[Complaint] = []
    for conversation, found in zip(conversations, judge(conversations), strict=True):
        kinds = {signal.kind for signal in found.values() if signal is not None}
        counts.update(f"with {kind}" for kind in kinds)
        counts["with either"] += bool(kinds)
        # A complaint that a later answer met needs no writer: the data has the better answer.
        met, unmet = _walk(conversation, found)
        rows += met
        open_ += unmet
    counts["complaints met by a later answer"] = len(rows)
    if writer is not None and open_:
        texts = writer(open_)
        rows += [_written(c, t) for c, t in zip(open_, texts, strict=True) if t is not None]
        open_ = [c for c, t in zip(open_, texts, strict=True) if t is None]
    counts["complaints that no answer met"] = len(open_)
    frame = pl.DataFrame(rows, schema=PAIR_COLUMNS)
    return Feedback((ids or PairIds()).give(frame), counts)


def _walk(
    conversation: Conversation, found: dict[int, FeedbackSignal | None]
) -> tuple[list[dict[str, Any]], list[Complaint]]:
    """Pairs of one conversation, and complaints that no answer met."""
    pairs: list[dict[str, Any]] = []
    waiting: list[Complaint] = []
    unmet: list[Complaint] = []
    for turn in conversation.feedback_turns():
        signal = found.get(turn)
        # The user went on to something else: a later praise is not for what was complained of.
        if signal is None:
            unmet, waiting = [*unmet, *waiting], []
        elif signal.kind == DSAT:
            # Several complaints in a row all wait for the answer that satisfies.
            waiting.append(Complaint(conversation, turn - 1, turn, signal))
        else:
            pairs += [_met(c, turn, signal) for c in waiting]
            waiting = []
    return pairs, [*unmet, *waiting]


def _met(complaint: Complaint, turn: int, signal: FeedbackSignal) -> dict[str, Any]:
    chosen = [complaint.conversation.turns[turn - 1]]
    return _pair(complaint, chosen, {SAT.lower(): _told(signal, turn), "chosen_by": "conversation"})


def _written(complaint: Complaint, text: str) -> dict[str, Any]:
    chosen: list[Turn] = [{"role": "assistant", "content": text, "more": None}]
    return _pair(complaint, chosen, {"chosen_by": "endpoint"})


def _pair(complaint: Complaint, chosen: list[Turn], more: dict[str, Any]) -> dict[str, Any]:
    own = complaint.conversation
    extra = {
        "made": MADE,
        DSAT.lower(): _told(complaint.signal, complaint.turn),
        "row": own.row,
        **more,
    }
    return dict.fromkeys(PAIR_COLUMNS) | {
        "prompt": [_full(turn) for turn in complaint.prompt],
        "chosen": [_full(turn) for turn in chosen],
        "rejected": [_full(own.turns[complaint.answer])],
        "is_tie": False,
        "source": own.source,
        "extra": json.dumps(extra, ensure_ascii=False),
    }


def _full(turn: Turn) -> Turn:
    return {"role": turn["role"], "content": turn["content"], "more": turn.get("more")}


def _told(signal: FeedbackSignal, turn: int) -> dict[str, Any]:
    return {"rubric": signal.rubric, "turn": turn, "confidence": signal.confidence}
