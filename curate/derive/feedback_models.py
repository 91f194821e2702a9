"""Feedback judged, and better answers written, by a model behind an endpoint."""

from __future__ import annotations

from collections.abc import Sequence

from curate.derive.feedback import Complaint, Conversation, Judge, Writer
from curate.models.judge.endpoint import EndpointParams
from curate.models.judge.feedback import ask_answers, ask_signals
from curate.models.text.feedback import Signal
from curate.read.messages import Turn
from curate.steps.context import Context


def by_endpoint(params: EndpointParams, context: Context) -> Judge:
    """A judge that shows a model each answer and what the user said next."""

    def judge(conversations: Sequence[Conversation]) -> list[dict[int, Signal | None]]:
        places = [(n, t) for n, c in enumerate(conversations) for t in c.feedback_turns()]
        shown = [
            (_text(conversations[n].turns[t - 1]), _text(conversations[n].turns[t]))
            for n, t in places
        ]
        found: list[dict[int, Signal | None]] = [{} for _ in conversations]
        for (number, turn), signal in zip(places, ask_signals(shown, context, params), strict=True):
            found[number][turn] = signal
        return found

    return judge


def written_by(params: EndpointParams, context: Context) -> Writer:
    """A writer that shows a model the conversation, the answer and the complaint."""

    def write(complaints: Sequence[Complaint]) -> list[str | None]:
        shown = [
            (
                "\n\n".join(f"{turn['role']}: {_text(turn)}" for turn in complaint.prompt),
                _text(complaint.conversation.turns[complaint.answer]),
                complaint.said,
            )
            for complaint in complaints
        ]
        return ask_answers(shown, context, params)

    return write


def _text(turn: Turn) -> str:
    return turn["content"] or ""
