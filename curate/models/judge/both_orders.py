"""Which of two texts a model prefers, asked in both orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curate.models.judge.asking import ask_endpoint
from curate.models.judge.templates import FOLLOWS_PREFERENCE, compile_question
from curate.models.judge.verdicts import (
    JudgeVerdict,
    begins_with_verdict,
    parse_verdict_values,
    settle_verdict,
)

if TYPE_CHECKING:
    from curate.models.judge.endpoint import EndpointParams
    from curate.steps.context import Context


def ask_both_orders(
    questions: Sequence[tuple[str, str]], context: Context, params: EndpointParams
) -> list[JudgeVerdict | None]:
    """Return what both orders say together; None where a reply cannot be read.

    Args:
        questions: each with the first text as A, and with the second one as A; replies end with
            [[A]], [[B]] or [[C]].
        context: keeps replies, and counts them in its facts.
        params: of the endpoint.
    """
    messages = [[{"role": "user", "content": text}] for both in questions for text in both]
    replies = ask_endpoint(
        messages, context, params, lambda text: begins_with_verdict(text, "choice")
    )
    values = [parse_verdict_values(reply.text or "", "choice") for reply in replies]
    return [
        None if in_order is None or swapped is None else settle_verdict(in_order, swapped)
        for in_order, swapped in zip(values[::2], values[1::2], strict=True)
    ]


def ask_following(
    comparisons: Sequence[tuple[str, str, str, str]], context: Context, params: EndpointParams
) -> list[JudgeVerdict | None]:
    """Return which answer follows a stated preference better: (preference, prompt, chosen,
    rejected)."""
    names = ("preference", "prompt", "answer_a", "answer_b")
    shape = compile_question(FOLLOWS_PREFERENCE, names, "template of stated preferences")

    def question(preference: str, prompt: str, first: str, second: str) -> str:
        texts = (preference, prompt, first, second)
        return shape.render(dict(zip(names, texts, strict=True)))

    both = [(question(p, x, a, b), question(p, x, b, a)) for p, x, a, b in comparisons]
    return ask_both_orders(both, context, params)
