"""Keys and passwords in answers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from typing import Any, Literal, get_args

import polars as pl
from pydantic import Field

from curate import Cache, Column, Context, Parameters, Scope, Scorer
from curate.scoring import need
from curate.scoring.texts import kind_columns, kind_flags

Kind = Literal[
    "aws",
    "azure_storage",
    "basic_auth",
    "discord",
    "github",
    "gitlab",
    "jwt",
    "mailchimp",
    "openai",
    "private_key",
    "pypi",
    "sendgrid",
    "slack",
    "square",
    "stripe",
    "telegram",
    "twilio",
]
_ALL_KINDS: tuple[Kind, ...] = get_args(Kind)
_DETECTORS: dict[Kind, tuple[str, str]] = {
    "aws": ("aws", "AWSKeyDetector"),
    "azure_storage": ("azure_storage_key", "AzureStorageKeyDetector"),
    "basic_auth": ("basic_auth", "BasicAuthDetector"),
    "discord": ("discord", "DiscordBotTokenDetector"),
    "github": ("github_token", "GitHubTokenDetector"),
    "gitlab": ("gitlab_token", "GitLabTokenDetector"),
    "jwt": ("jwt", "JwtTokenDetector"),
    "mailchimp": ("mailchimp", "MailchimpDetector"),
    "openai": ("openai", "OpenAIDetector"),
    "private_key": ("private_key", "PrivateKeyDetector"),
    "pypi": ("pypi_token", "PypiTokenDetector"),
    "sendgrid": ("sendgrid", "SendGridDetector"),
    "slack": ("slack", "SlackDetector"),
    "square": ("square_oauth", "SquareOAuthDetector"),
    "stripe": ("stripe", "StripeDetector"),
    "telegram": ("telegram_token", "TelegramBotTokenDetector"),
    "twilio": ("twilio", "TwilioKeyDetector"),
}
"""Module and class of each detector. Those by entropy or by words such as "password" fire on prose,
and the one of npm takes time with the square of a long line."""
# The pattern of JSON web tokens takes time with the square of a text's length: 3 s for 90,000
# characters that are made for it, and 6 ms for a window of 4,000.
_WINDOW, _OVERLAP = 4000, 500


class SecretsParams(Parameters):
    """Parameters of `secrets`."""

    kinds: tuple[Kind, ...] = Field(_ALL_KINDS, min_length=1, description="Kinds to look for.")


class Secrets(Scorer[SecretsParams]):
    """Flag answers that contain keys, tokens or passwords in URLs, by detect-secrets' patterns.

    `chosen` and `rejected` are flags; `chosen_kinds` and `rejected_kinds` list what was found, such
    as github or private_key. Keys are known by their form alone: invented examples in answers about
    programming count too, and keys without a form of their own are missed. Use it before publishing
    or training, since a model may repeat what it has learned.

    Examples:
        >>> from curate import score
        >>> row = {"prompt": "Log in?", "chosen": "https://ann:pass@example.org", "rejected": "No."}
        >>> score([row], "secrets").frame["secrets.chosen_kinds"].to_list()
        ['basic_auth']
    """

    name = "secrets"
    purpose = "texts"
    when = "Before publishing or training on code, logs and chats. Patterns; no model."
    summary = "keys, tokens, private keys and passwords in URLs in the answers"
    reference = "detect-secrets (Yelp), detectors by pattern"
    scope = Scope.ROW
    cache = Cache.PER_ROW
    single_answer_columns = ("chosen", "chosen_kinds")
    Params = SecretsParams

    def columns(self) -> tuple[Column, ...]:
        """Return flags and the kinds that matched."""
        return kind_columns("a secret")

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return flags of a batch."""
        return kind_flags(pairs, self._kinds_in)

    def _kinds_in(self, text: str) -> str:
        windows = list(_windows(text))
        return ",".join(
            kind
            for kind, detector in self._detectors
            if any(any(detector.analyze_string(window)) for window in windows)
        )

    @cached_property
    def _detectors(self) -> list[tuple[Kind, Any]]:
        need("detect_secrets", "hygiene", "scorer 'secrets'")
        detectors = []
        for kind in self.params.kinds:
            module, name = _DETECTORS[kind]
            detector = getattr(import_module(f"detect_secrets.plugins.{module}"), name)()
            detectors.append((kind, detector))
        return detectors


def _windows(text: str) -> Iterator[str]:
    """Yield parts of a text that overlap, so that no key is cut in both of two."""
    for start in range(0, max(len(text) - _OVERLAP, 1), _WINDOW - _OVERLAP):
        yield text[start : start + _WINDOW]
