"""A language model that finds praise and complaints, and writes the answer that was wanted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from curate.models.judge.asking import ask_endpoint
from curate.models.judge.templates import BETTER_ANSWER, FEEDBACK, compile_question
from curate.models.text.feedback import DSAT, SAT, FeedbackSignal

if TYPE_CHECKING:
    from curate.models.judge.endpoint import EndpointParams
    from curate.steps.context import Context

# Of a text that the judge is shown: what users react to stands near the start.
_CHARACTERS = 2000
_REPLY = re.compile(rf"\b({DSAT}|{SAT}|NONE)\b\W*([\w ]*)", re.IGNORECASE)


def ask_feedback_signals(
    turns: Sequence[tuple[str, str]], context: Context, params: EndpointParams
) -> list[FeedbackSignal | None]:
    """Return the signal of each (answer, user's turn); None for neither, and where no reply says
    it.

    Args:
        turns: texts; the first 2,000 characters of each are shown.
        context: keeps replies, and counts them in its facts.
        params: of the endpoint.
    """
    shape = compile_question(FEEDBACK, ("answer", "turn"), "template of feedback")
    questions = [
        [{"role": "user", "content": shape.render(answer=a[:_CHARACTERS], turn=t[:_CHARACTERS])}]
        for a, t in turns
    ]
    return [_parse_signal(reply.text) for reply in ask_endpoint(questions, context, params)]


def _parse_signal(reply: str | None) -> FeedbackSignal | None:
    match = _REPLY.search(reply or "")
    if match is None or match[1].upper() not in (SAT, DSAT):
        return None
    rubric = "_".join(match[2].lower().split())[:40]
    return FeedbackSignal(match[1].upper(), rubric or "judge", 1.0)


def ask_better_answers(
    complaints: Sequence[tuple[str, str, str]], context: Context, params: EndpointParams
) -> list[str | None]:
    """Return the answer that each (conversation, answer, complaint) should have had; None without
    one."""
    names = ("prompt", "answer", "complaint")
    shape = compile_question(BETTER_ANSWER, names, "template of better answers")
    questions = [
        [{"role": "user", "content": shape.render(dict(zip(names, one, strict=True)))}]
        for one in complaints
    ]
    texts = (reply.text for reply in ask_endpoint(questions, context, params))
    return [text.strip() or None if text is not None else None for text in texts]
