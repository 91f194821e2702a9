"""Pairs from user feedback within conversations (WildFeedback)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from curate.data.table import PAIR_COLUMNS, PairIds
from curate.models.text.feedback import (
    DSAT,
    SAT,
    FeedbackPatterns,
    FeedbackSignal,
)
from curate.models.text.feedback_position import exchange_signals
from curate.read.messages import Turn

MADE = "feedback"
"""Value of `extra.made` for these pairs."""
FeedbackJudge = Callable[[Sequence["FeedbackConversation"]], list[dict[int, FeedbackSignal | None]]]
"""Maps conversations to the signal of each user turn after an answer, by turn number."""
AnswerWriter = Callable[[Sequence["Complaint"]], list[str | None]]
"""Maps unanswered complaints to better answers, or None."""


@dataclass(frozen=True)
class FeedbackConversation:
    """Messages of a conversation and their origin.

    Attributes:
        turns: messages, as in the pair table.
        source: display name of the file.
        row: row number in the file.
    """

    turns: list[Turn]
    source: str
    row: int

    def feedback_turns(self) -> list[int]:
        """Return the numbers of the user turns that follow an answer."""
        roles = [turn["role"] for turn in self.turns]
        return [
            i for i in range(1, len(roles)) if roles[i] == "user" and roles[i - 1] == "assistant"
        ]

    def exchange(self, turn: int) -> tuple[str, str, str]:
        """Return the texts before the answer, of the answer, and of the user's turn after it."""
        prompt = message_text(self.turns[turn - 2]) if turn > 1 else ""
        return prompt, message_text(self.turns[turn - 1]), message_text(self.turns[turn])


@dataclass(frozen=True)
class Complaint:
    """A user's complaint about an answer.

    Attributes:
        conversation: the conversation.
        answer: turn number of the answer.
        turn: turn number of the complaint.
        signal: kind and rubric of the complaint.
    """

    conversation: FeedbackConversation
    answer: int
    turn: int
    signal: FeedbackSignal

    @property
    def prompt(self) -> list[Turn]:
        """Return the messages before the answer."""
        return self.conversation.turns[: self.answer]

    @property
    def complaint_text(self) -> str:
        """Return the text of the complaint."""
        return message_text(self.conversation.turns[self.turn])


@dataclass
class Feedback:
    """Pairs from feedback, with counts.

    Attributes:
        pairs: the pair table.
        counts: conversations, those with each signal, and complaints with and without a pair.
    """

    pairs: pl.DataFrame
    counts: Counter[str] = field(default_factory=Counter)


def judge_from_signals(
    find_signals: Callable[[list[tuple[str, str, str]]], list[FeedbackSignal | None]],
) -> FeedbackJudge:
    """Return a judge that finds signals in each prompt, answer and the user's reply.

    Args:
        find_signals: returns the signal of each (prompt, answer, reply); the prompt is the user's
            message before the answer, empty where there is none.
    """

    def judge(
        conversations: Sequence[FeedbackConversation],
    ) -> list[dict[int, FeedbackSignal | None]]:
        positions = [(n, t) for n, c in enumerate(conversations) for t in c.feedback_turns()]
        # All at once: a model judges many exchanges in one batch of requests.
        exchanges = [conversations[n].exchange(t) for n, t in positions]
        signals_by_turn: list[dict[int, FeedbackSignal | None]] = [{} for _ in conversations]
        for (number, turn), signal in zip(positions, find_signals(exchanges), strict=True):
            signals_by_turn[number][turn] = signal
        return signals_by_turn

    return judge


def pattern_judge(patterns: FeedbackPatterns | None = None) -> FeedbackJudge:
    """Return a judge based on patterns, by default the bundled ones, and on positions."""
    return judge_from_signals(lambda exchanges: exchange_signals(exchanges, patterns))


def message_text(turn: Turn) -> str:
    """Return the text of a message, or an empty string."""
    return turn["content"] or ""


def feedback_pairs(
    conversations: Sequence[FeedbackConversation],
    judge: FeedbackJudge,
    writer: AnswerWriter | None = None,
    ids: PairIds | None = None,
) -> Feedback:
    """Build a pair from each answer with a complaint and a later answer that satisfied the user.

    The rejected answer is the one before a complaint (DSAT). The chosen one is the first later
    answer followed by satisfaction (SAT), with only complaints in between: any other turn asks for
    something else. Both get the prompt of the first answer. WildFeedback (arXiv 2408.15549) lets a
    model write the chosen answer; `writer` does so if no answer satisfied. `extra` has rubric, turn
    and confidence of both signals.

    Args:
        conversations: a batch of conversations.
        judge: finds the signals.
        writer: writes missing answers; without it such complaints give no pair.
        ids: pair ids of the dataset.
    """
    counts: Counter[str] = Counter(conversations=len(conversations))
    rows: list[dict[str, object]] = []
    unanswered: list[Complaint] = []
    for conversation, turn_signals in zip(conversations, judge(conversations), strict=True):
        kinds = {signal.kind for signal in turn_signals.values() if signal is not None}
        counts.update(f"with {kind}" for kind in kinds)
        counts["with either"] += bool(kinds)
        # A complaint with a satisfying later answer needs no writer.
        met, unmet = _pairs_of_conversation(conversation, turn_signals)
        rows += met
        unanswered += unmet
    counts["complaints met by a later answer"] = len(rows)
    if writer is not None and unanswered:
        written = list(zip(unanswered, writer(unanswered), strict=True))
        rows += [_pair_from_written_answer(c, text) for c, text in written if text is not None]
        unanswered = [complaint for complaint, text in written if text is None]
    counts["complaints that no answer met"] = len(unanswered)
    frame = pl.DataFrame(rows, schema=PAIR_COLUMNS)
    return Feedback((ids or PairIds()).fill_missing(frame), counts)


def _pairs_of_conversation(
    conversation: FeedbackConversation, turn_signals: dict[int, FeedbackSignal | None]
) -> tuple[list[dict[str, object]], list[Complaint]]:
    """Return the pairs of a conversation, and the complaints without a satisfying answer."""
    pairs: list[dict[str, object]] = []
    waiting: list[Complaint] = []
    unmet: list[Complaint] = []
    for turn in conversation.feedback_turns():
        signal = turn_signals.get(turn)
        # The user changed the subject: later praise does not refer to the complaint.
        if signal is None:
            unmet, waiting = [*unmet, *waiting], []
        elif signal.kind == DSAT:
            # Consecutive complaints all wait for the answer that satisfies.
            waiting.append(Complaint(conversation, turn - 1, turn, signal))
        else:
            pairs += [_pair_from_later_answer(c, turn, signal) for c in waiting]
            waiting = []
    return pairs, [*unmet, *waiting]


def _pair_from_later_answer(
    complaint: Complaint, turn: int, signal: FeedbackSignal
) -> dict[str, object]:
    chosen = [complaint.conversation.turns[turn - 1]]
    return _build_pair(
        complaint, chosen, {SAT.lower(): _signal_facts(signal, turn), "chosen_by": "conversation"}
    )


def _pair_from_written_answer(complaint: Complaint, text: str) -> dict[str, object]:
    chosen: list[Turn] = [{"role": "assistant", "content": text, "more": None}]
    return _build_pair(complaint, chosen, {"chosen_by": "endpoint"})


def _build_pair(
    complaint: Complaint, chosen: list[Turn], extra_facts: dict[str, object]
) -> dict[str, object]:
    conversation = complaint.conversation
    extra = {
        "made": MADE,
        DSAT.lower(): _signal_facts(complaint.signal, complaint.turn),
        "row": conversation.row,
        **extra_facts,
    }
    return dict.fromkeys(PAIR_COLUMNS) | {
        "prompt": [_complete_message(turn) for turn in complaint.prompt],
        "chosen": [_complete_message(turn) for turn in chosen],
        "rejected": [_complete_message(conversation.turns[complaint.answer])],
        "is_tie": False,
        "source": conversation.source,
        "extra": json.dumps(extra, ensure_ascii=False),
    }


def _complete_message(turn: Turn) -> Turn:
    return {"role": turn["role"], "content": turn["content"], "more": turn.get("more")}


def _signal_facts(signal: FeedbackSignal, turn: int) -> dict[str, object]:
    return {"rubric": signal.rubric, "turn": turn, "confidence": signal.confidence}
