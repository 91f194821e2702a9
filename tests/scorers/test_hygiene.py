"""Language, repetition, refusal, markdown and personal data, on texts whose answer is known."""

from __future__ import annotations

import importlib.util
import socket
from typing import Any

import pytest
from pydantic import ValidationError

from curate import CurateError
from curate.scorers.language import Language
from curate.scorers.markdown import Markdown
from curate.scorers.pii import PII
from curate.scorers.refusal import Refusal
from curate.scorers.repetition import Repetition
from curate.steps.context import Context
from curate.steps.contracts import Scorer
from tests.helpers import pairs_of

ENGLISH = "The weather was cold this morning, and nobody wanted to leave the house."
GERMAN = "Das Wetter war heute Morgen kalt, und niemand wollte das Haus verlassen."


def row(scorer: Scorer[Any], chosen: str, rejected: str, prompt: str = ENGLISH) -> dict[str, Any]:
    pairs = pairs_of([{"prompt": prompt, "chosen": chosen, "rejected": rejected}])
    scores = scorer.score(pairs, Context())
    assert scores.columns == [c.name for c in scorer.columns()]
    return scores.row(0, named=True)


@pytest.mark.slow
def test_language() -> None:
    scores = row(Language(), ENGLISH.upper().title(), GERMAN)
    assert (scores["prompt"], scores["chosen"], scores["rejected"]) == ("en", "en", "de")
    assert scores["same"] is False
    assert row(Language(), ENGLISH, ENGLISH + " Yes.")["same"] is True


def test_a_language_is_not_guessed() -> None:
    scores = row(Language(), "", GERMAN)
    assert (scores["chosen"], scores["same"]) == (None, None)
    assert row(Language(languages=("en", "fr")), ENGLISH, GERMAN)["rejected"] in ("en", "fr", None)


def test_repetition() -> None:
    scores = row(Repetition(n=2), "a b a b a\nx\n\nx", "all words differ here")
    # Bigrams: ab ba ab ba ax xx; lines: two of three differ.
    assert scores["chosen"] == pytest.approx(1 - 4 / 6)
    assert scores["chosen_lines"] == pytest.approx(1 - 2 / 3)
    assert scores["rejected"] == scores["rejected_lines"] == 0.0
    assert row(Repetition(), "", "one")["chosen"] == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "I’m sorry, but I can't help with that.",
        "I cannot assist with this request.",
        "As an AI language model, I don't have opinions.",
        "Thanks for asking. I'm not able to do this.",
    ],
)
def test_refusals(text: str) -> None:
    scores = row(Refusal(), text, "I can help: boil the water, then add the tea.")
    assert (scores["chosen"], scores["rejected"]) == (True, False)


def test_refusals_are_looked_for_at_the_start() -> None:
    assert (
        row(Refusal(within=50), "word " * 50 + "I cannot help with that.", "x")["chosen"] is False
    )


def test_own_patterns() -> None:
    assert row(Refusal(patterns=("nein",)), "Nein, danke", "I cannot help")["chosen"] is True
    with pytest.raises(ValidationError, match="no regular expression"):
        Refusal(patterns=("(",))


def test_markdown() -> None:
    text = "# Title\n\nplain words\n\n- one\n- two\n\n```python\nx = 1\n```\n"
    scores = row(Markdown(), text, "plain words\nand # no title")
    assert scores["chosen"] == pytest.approx(6 / 7)
    assert scores["chosen_code"] == pytest.approx(3 / 7)
    assert scores["rejected"] == scores["rejected_code"] == 0.0
    assert scores["difference"] == scores["chosen"]
    assert row(Markdown(), "| a | b |\n|---|---|\n| 1 | 2 |", "")["chosen"] == 1.0


@pytest.mark.slow
def test_personal_data_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    text = "Write to bob@example.com, call (212) 555-0142, pay by 4111 1111 1111 1111."
    scores = row(PII(), text, "Nothing to see; version 1.2, in 2024.")
    assert (scores["chosen"], scores["rejected"]) == (True, False)
    assert scores["chosen_kinds"] == "email,phone,credit_card"
    assert scores["rejected_kinds"] == ""


def test_kinds_of_personal_data() -> None:
    text = "card 4111 1111 1111 1112, iban DE89370400440532013000, at 192.168.0.1"
    scores = row(PII(kinds=("credit_card", "iban", "ip")), text, "")
    assert scores["chosen_kinds"] == "iban,ip"


@pytest.mark.parametrize("scorer", [Language(), Markdown(), PII()])
def test_without_the_extra(scorer: Scorer[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CurateError, match="is not installed"):
        row(scorer, "a", "b")
