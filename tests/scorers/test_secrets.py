"""Keys in answers are found by their form, in time that no text can make long."""

from __future__ import annotations

import time
from typing import Any

import pytest

from curate import CurateError
from curate.scorers.secrets import Secrets
from curate.steps.context import Context
from tests.helpers import pairs_of

# In parts, so that no scanner of repositories takes them for real.
SAMPLES = {
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
    "github": "ghp_" + "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx",
    "private_key": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIB",
    "slack": "xoxb-" + "34532454-e039d02840a0b9379c",
    "stripe": "sk_live_" + "ReTllpYQYfIZu2Jnf2lAPFjD",
    "basic_auth": "https://ann:" + "hunter2@example.org/path",
    "jwt": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
}


def kinds(answer: str, **settings: Any) -> str:
    pairs = pairs_of([{"prompt": "?", "chosen": answer, "rejected": "Keep your password safe."}])
    scores = Secrets(**settings).score(pairs, Context()).row(0, named=True)
    assert scores["rejected"] is False
    assert scores["rejected_kinds"] == ""
    assert scores["chosen"] is bool(scores["chosen_kinds"])
    return str(scores["chosen_kinds"])


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_key_is_found_wherever_it_stands(kind: str) -> None:
    assert kinds(f"Use {SAMPLES[kind]} here.") == kind
    # Across the borders of the windows in which long texts are searched.
    for length in range(3300, 4100, 80):
        assert kind in kinds("x " * (length // 2) + SAMPLES[kind] + " y" * 3000)


def test_prose_about_keys_is_no_key() -> None:
    text = "Your API key is secret. Never write password = 'secret' or token: abc123 in code. " * 20
    assert kinds(text) == ""
    assert kinds("") == ""


def test_kinds_can_be_chosen() -> None:
    both = f"{SAMPLES['github']} {SAMPLES['basic_auth']}"
    assert kinds(both) == "basic_auth,github"
    assert kinds(both, kinds=["github"]) == "github"


@pytest.mark.parametrize("text", ["eyJ", "://a", "aws key = '", "0123456789abcdef", "xoxb-", "@:"])
def test_hostile_texts_take_no_longer_than_others(text: str) -> None:
    started = time.process_time()
    kinds(text * (200_000 // len(text)))
    assert time.process_time() - started < 5.0


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curate.optional_packages.is_installed", lambda package: False)
    with pytest.raises(CurateError, match=r"detect_secrets is not installed[\s\S]*hygiene"):
        kinds("anything")
