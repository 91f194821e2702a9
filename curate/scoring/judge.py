"""Judges behind an OpenAI-compatible endpoint: questions, answers and verdicts."""

from __future__ import annotations

from curate.models.judge.asking import ask_endpoint
from curate.models.judge.both_orders import ask_following
from curate.models.judge.endpoint import OK, EndpointParams, Messages, Reply
from curate.models.judge.panel import (
    PanelVerdicts,
    measure_panel,
    panel_warnings,
    undecided_rows,
)
from curate.models.judge.templates import (
    CHOICE,
    RATING,
    SCORE,
    TAGS,
    QuestionTemplate,
    compile_question,
    with_scale,
)
from curate.models.judge.verdicts import (
    CHOSEN,
    REJECTED,
    SCALE,
    TIE,
    UNREADABLE,
    Mode,
    begins_with_verdict,
    parse_rating,
    parse_verdict_values,
    settle_verdict,
    strip_verdict,
)
from curate.steps.key_use import KeyUse
from curate.steps.step_report import StepReport

__all__ = [
    "CHOICE",
    "CHOSEN",
    "OK",
    "RATING",
    "REJECTED",
    "SCALE",
    "SCORE",
    "TAGS",
    "TIE",
    "UNREADABLE",
    "EndpointParams",
    "KeyUse",
    "Messages",
    "Mode",
    "PanelVerdicts",
    "QuestionTemplate",
    "Reply",
    "StepReport",
    "ask_endpoint",
    "ask_following",
    "begins_with_verdict",
    "compile_question",
    "measure_panel",
    "panel_warnings",
    "parse_rating",
    "parse_verdict_values",
    "settle_verdict",
    "strip_verdict",
    "undecided_rows",
    "with_scale",
]
