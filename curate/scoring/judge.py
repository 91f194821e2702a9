"""Judges behind an OpenAI-compatible endpoint: questions, answers and verdicts."""

from __future__ import annotations

from curate.models.judge.asking import ask_endpoint
from curate.models.judge.both_orders import ask_following
from curate.models.judge.endpoint import OK, EndpointParams, Messages, Reply
from curate.models.judge.templates import CHOICE, SCORE, TAGS, QuestionTemplate, compile_question
from curate.models.judge.verdicts import (
    CHOSEN,
    REJECTED,
    SCALE,
    TIE,
    UNREADABLE,
    Mode,
    begins_with_verdict,
    parse_verdict_values,
    settle_verdict,
    strip_verdict,
)

__all__ = [
    "CHOICE",
    "CHOSEN",
    "OK",
    "REJECTED",
    "SCALE",
    "SCORE",
    "TAGS",
    "TIE",
    "UNREADABLE",
    "EndpointParams",
    "Messages",
    "Mode",
    "QuestionTemplate",
    "Reply",
    "ask_endpoint",
    "ask_following",
    "begins_with_verdict",
    "compile_question",
    "parse_verdict_values",
    "settle_verdict",
    "strip_verdict",
]
