"""Judges of feedback and writers of better answers, by an endpoint model."""

from __future__ import annotations

from collections.abc import Sequence

from curate.derive.feedback import (
    AnswerWriter,
    Complaint,
    FeedbackJudge,
    judge_from_signals,
    message_text,
)
from curate.models.judge.endpoint import EndpointParams
from curate.models.judge.feedback import ask_better_answers, ask_feedback_signals
from curate.steps.context import Context


def endpoint_judge(params: EndpointParams, context: Context) -> FeedbackJudge:
    """Return a judge that asks a model about each answer and the user's reply."""
    return judge_from_signals(
        lambda exchanges: ask_feedback_signals(
            [(answer, reply) for _, answer, reply in exchanges], context, params
        )
    )


def endpoint_writer(params: EndpointParams, context: Context) -> AnswerWriter:
    """Return a writer that asks a model, given conversation, answer and complaint."""

    def write(complaints: Sequence[Complaint]) -> list[str | None]:
        complaint_texts = [
            (
                "\n\n".join(f"{turn['role']}: {message_text(turn)}" for turn in complaint.prompt),
                message_text(complaint.conversation.turns[complaint.answer]),
                complaint.complaint_text,
            )
            for complaint in complaints
        ]
        return ask_better_answers(complaint_texts, context, params)

    return write
