"""Names for what a number measures, by texts on which it is high and low."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curate.models.judge.asking import ask_endpoint
from curate.models.judge.templates import FEATURE, compile_question
from curate.models.judge.verdicts import strip_verdict

if TYPE_CHECKING:
    from curate.models.judge.endpoint import EndpointParams
    from curate.steps.context import Context

# Characters of a text that the judge is shown: several examples show more than one long one.
_CHARACTERS = 500
# A longer one is an explanation that the model was not asked for.
_LONGEST_NAME = 80


def name_features(
    examples: Sequence[tuple[Sequence[str], Sequence[str]]],
    context: Context,
    params: EndpointParams,
    template: str = FEATURE,
) -> list[str | None]:
    """Return a short name for each feature, None where the endpoint gave none.

    Args:
        examples: for each feature, texts on which it is high and texts on which it is low; the
            first 500 characters of each are shown.
        context: keeps replies, and counts them in its facts.
        params: of the endpoint.
        template: with the variables `high` and `low`.

    Reference: naming of learned features by a language model as in WIMHF, arXiv 2510.26202.
    """
    shape = compile_question(template, ("high", "low"), "template of names")
    questions = [
        [
            {
                "role": "user",
                "content": shape.render(high=_format_examples(high), low=_format_examples(low)),
            }
        ]
        for high, low in examples
    ]
    return [
        None if reply.text is None else _parse_name(reply.text)
        for reply in ask_endpoint(questions, context, params)
    ]


def _format_examples(texts: Sequence[str]) -> list[str]:
    return [text[:_CHARACTERS] for text in texts]


def _parse_name(reply: str) -> str | None:
    lines = strip_verdict(reply).splitlines()
    return lines[0].strip(" .\"'*")[:_LONGEST_NAME] or None if lines else None
