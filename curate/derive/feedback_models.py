"""Feedback judged, and better answers written, by a model behind an endpoint."""

from __future__ import annotations

from collections.abc import Sequence

from curate.derive.feedback import Complaint, Judge, Writer, judged_by, text_of
from curate.models.judge.endpoint import EndpointParams
from curate.models.judge.feedback import ask_better_answers, ask_feedback_signals
from curate.steps.context import Context


def by_endpoint(params: EndpointParams, context: Context) -> Judge:
    """A judge that shows a model each answer and what the user said next."""
    return judged_by(lambda shown: ask_feedback_signals(shown, context, params))


def written_by(params: EndpointParams, context: Context) -> Writer:
    """A writer that shows a model the conversation, the answer and the complaint."""

    def write(complaints: Sequence[Complaint]) -> list[str | None]:
        shown = [
            (
                "\n\n".join(f"{turn['role']}: {text_of(turn)}" for turn in complaint.prompt),
                text_of(complaint.conversation.turns[complaint.answer]),
                complaint.said,
            )
            for complaint in complaints
        ]
        return ask_better_answers(shown, context, params)

    return write
