"""Personal data in answers."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import polars as pl
from pydantic import Field

from curate import Cache, Column, Context, Parameters, Scope, Scorer
from curate.scoring import need
from curate.scoring.texts import kind_columns, kind_flags

Kind = Literal["email", "phone", "credit_card", "iban", "ip", "us_ssn"]
# The kinds that presidio finds by pattern and checksum, without a language model.
_ALL_KINDS: tuple[Kind, ...] = ("email", "phone", "credit_card", "iban", "ip", "us_ssn")


_MAX_ADDRESS_LENGTH = 400
"""Characters of a word that may be an e-mail address: at most 254, plus punctuation."""


class PIIParams(Parameters):
    """Parameters of `pii`."""

    kinds: tuple[Kind, ...] = Field(_ALL_KINDS, min_length=1, description="Kinds to look for.")
    least: float = Field(
        0.4, ge=0, le=1, description="Smallest confidence of presidio; phone numbers get 0.4."
    )


class PII(Scorer[PIIParams]):
    """Flag answers that contain personal data, by presidio's patterns and checksums.

    `chosen` and `rejected` are flags; `chosen_kinds` and `rejected_kinds` list email, phone,
    credit_card, iban, ip or us_ssn. Names and places would need a language model and are not
    searched. Long numbers may pass for phone numbers. Use it before publishing.

    Examples:
        >>> [column.name for column in PII(kinds=["email", "phone"]).columns()]
        ['chosen', 'rejected', 'chosen_kinds', 'rejected_kinds']
    """

    name = "pii"
    purpose = "texts"
    when = "Before publishing. Patterns and validators; no model."
    summary = "e-mail addresses, phone, card, IBAN, IP and social security numbers in the answers"
    reference = "presidio-analyzer, pattern recognisers"
    scope = Scope.ROW
    cache = Cache.PER_ROW
    single_answer_columns = ("chosen", "chosen_kinds")
    Params = PIIParams

    def columns(self) -> tuple[Column, ...]:
        """Return flags and the kinds that matched."""
        return kind_columns("personal data")

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return flags of a batch."""
        return kind_flags(pairs, self._kinds_in)

    def _kinds_in(self, text: str) -> str:
        return ",".join(kind for kind, one in self._recognisers if self._has_match(kind, one, text))

    def _has_match(self, kind: Kind, recogniser: Any, text: str) -> bool:
        if kind == "email":
            text = _keep_words_with_at(text)
        matches = recogniser.analyze(text, recogniser.supported_entities, None)
        return any(result.score >= self.params.least for result in matches)

    @cached_property
    def _recognisers(self) -> list[tuple[Kind, Any]]:
        need("presidio_analyzer", "hygiene", "scorer 'pii'")
        from presidio_analyzer import predefined_recognizers as known
        from tldextract import TLDExtract

        # The list of endings that its package brings: nothing is downloaded, and no cache is
        # written.
        domains = TLDExtract(suffix_list_urls=(), cache_dir=None)

        class Email(known.EmailRecognizer):  # type: ignore[misc]
            """Recognise e-mail addresses without downloading the list of domain endings."""

            def validate_result(self, pattern_text: str) -> bool:
                return bool(domains(pattern_text).top_domain_under_public_suffix)

        recognisers: dict[Kind, Any] = {
            "email": Email,
            "phone": known.PhoneRecognizer,
            "credit_card": known.CreditCardRecognizer,
            "iban": known.IbanRecognizer,
            "ip": known.IpRecognizer,
            "us_ssn": known.UsSsnRecognizer,
        }
        return [(kind, recognisers[kind]()) for kind in self.params.kinds]


def _keep_words_with_at(text: str) -> str:
    """Return the words that may be e-mail addresses.

    The recogniser's pattern takes time with the square of a long word's length.
    """
    words = (word for word in text.split() if "@" in word and len(word) <= _MAX_ADDRESS_LENGTH)
    return " ".join(words)
