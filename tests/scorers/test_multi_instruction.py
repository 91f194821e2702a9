from __future__ import annotations

import pytest

from curate.scorers.multi_instruction import MultiInstruction
from curate.steps.context import Context
from tests.helpers import pairs_of


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("Write a poem.", ""),
        ("Explain gravity in 3 sentences and avoid jargon.", "length, must not"),
        ("Answer in JSON. You must use the word 'apple'. Write in French.",
         "format, must, keyword, language"),
        ("Act as a pirate and end your answer with a joke, in all caps.",
         "case, start or end, role"),
        ("Use a formal tone, at most 200 words.", "length, tone"),
    ],
)  # fmt: skip
def test_kinds_of_constraints(prompt: str, names: str) -> None:
    pairs = pairs_of([{"prompt": prompt, "chosen": "a", "rejected": "b"}])
    scores = MultiInstruction().score(pairs, Context())
    assert scores["names"][0] == names
    assert scores["kinds"][0] == len([n for n in names.split(", ") if n])
    assert scores["count"][0] >= scores["kinds"][0]


def test_patterns_can_be_replaced() -> None:
    pairs = pairs_of([{"prompt": "one two one", "chosen": "a", "rejected": "b"}])
    scores = MultiInstruction(patterns={"ones": "one"}).score(pairs, Context())
    assert scores.row(0) == (2, 1, "ones")
    with pytest.raises(ValueError, match="is no regular expression"):
        MultiInstruction(patterns={"x": "("})
