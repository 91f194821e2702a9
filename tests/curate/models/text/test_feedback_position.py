"""Complaints by their position, and replies in ten languages that were written before the rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from curate.models.text.feedback import DSAT, SAT
from curate.models.text.feedback_position import exchange_signals


def aside_exchanges() -> tuple[list[str], list[tuple[str, str, str]]]:
    """Return kinds, and exchanges of prompt, answer and reply."""
    table = yaml.safe_load(Path(__file__).with_name("feedback_turns.yaml").read_text("utf-8"))
    rows = [(kind, tuple(row)) for kind, some in table.items() for row in some]
    return [kind for kind, _ in rows], [row for _, row in rows]


def precision_and_recall(
    kinds: Sequence[str], predicted: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Return precision and recall of SAT and DSAT."""
    figures = {}
    for kind in (SAT, DSAT):
        hits = sum(p == kind == k for k, p in zip(kinds, predicted, strict=True))
        figures[kind] = (
            round(hits / max(predicted.count(kind), 1), 3),
            round(hits / kinds.count(kind), 3),
        )
    return figures


def test_precision_and_recall_on_replies_kept_aside() -> None:
    kinds, exchanges = aside_exchanges()
    predicted = [signal.kind if signal else "N" for signal in exchange_signals(exchanges)]
    figures = precision_and_recall(kinds, predicted)
    assert min(figures[SAT]) >= 0.95
    assert figures[DSAT][0] >= 0.95
    assert figures[DSAT][1] >= 0.85


@pytest.mark.parametrize(
    ("prompt", "answer", "reply", "rubric"),
    [
        ("Name a mammal.", "Trout.", "A trout is a fish though", "contradiction"),
        ("Which are even?", "2, 4, 7.", "But 7 is not divisible by 2", "contradiction"),
        (
            "In one sentence, please.",
            "It is long. It ends.",
            "one sentence!",
            "repeated_constraint",
        ),
        ("Capital?", "Sydney.", "Wrong.", "denial"),
        ("Capital?", "Canberra.", "Exactly!", "affirmation"),
        # The same words where they answer a question, or go on to something else.
        ("Quiz me.", "Is the earth flat?", "false", None),
        ("Quiz me.", "Is the earth flat?", "yes, exactly", None),
        ("Capital?", "Sydney is not it, I think.", "Do you not know whether it is Sydney?", None),
        ("Sell the car.", "A car needs papers.", "I know a car is not cheap", None),
        ("Sort these.", "a, b, c", "", None),
        ("", "", "now a poem", None),
    ],
)
def test_a_reply_is_read_by_what_came_before(
    prompt: str, answer: str, reply: str, rubric: str | None
) -> None:
    (signal,) = exchange_signals([(prompt, answer, reply)])
    assert (signal and signal.rubric) == rubric
    assert signal is None or signal.confidence == 0.5


def test_no_exchange_has_no_signal() -> None:
    assert exchange_signals([]) == []
