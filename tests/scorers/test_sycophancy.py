"""Flattery at the start of an answer is flagged; agreement with reasons and quotations are not."""

from __future__ import annotations

import pytest

from curate import CurateError
from curate.scorers.sycophancy import Sycophancy
from curate.steps.context import Context
from curate.steps.registry import build_step
from tests.helpers import pairs_of


def is_flattery(answer: str) -> bool:
    pairs = pairs_of([{"prompt": "?", "chosen": answer, "rejected": "No."}])
    scores = Sycophancy().score(pairs, Context()).row(0, named=True)
    assert scores["rejected"] is False
    return bool(scores["chosen"])


@pytest.mark.parametrize(
    "answer",
    [
        "Great question! The capital is Paris.",
        "What an excellent idea.",
        "That's a really good point, and yes.",
        "You\u2019re absolutely right, 2 + 2 is 5.",
        "Hm. You are completely correct!",
        "You make a valid point.",
        "I love your enthusiasm!",
    ],
)
def test_flattery_is_flagged(answer: str) -> None:
    assert is_flattery(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "The capital is Paris.",
        "Yes, 4 is right: 2 + 2 = 4.",
        "The question is a good one to ask a doctor.",
        "You are right to be careful.",
        "Great! The question you ask has no answer.",
        "a" * 200 + " You're absolutely right.",
        "",
    ],
)
def test_other_beginnings_are_not(answer: str) -> None:
    assert not is_flattery(answer)


def test_patterns_can_be_replaced_and_are_checked() -> None:
    pairs = pairs_of([{"prompt": "?", "chosen": "Wow, super Frage!", "rejected": "Nein."}])
    scorer = Sycophancy(patterns=["super frage"])
    assert scorer.score(pairs, Context())["chosen"].to_list() == [True]
    assert Sycophancy(patterns=[]).score(pairs, Context())["chosen"].to_list() == [False]
    with pytest.raises(CurateError):
        build_step(Sycophancy, {"patterns": ["("]}, "scorers.0")
