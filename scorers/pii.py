"""Personal data in answers."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, Literal

import polars as pl
from pydantic import Field

from curate import LOWER, Column, Context, Parameters, Scorer
from curate.models.text.answer_texts import map_distinct_texts
from curate.optional_packages import need

Kind = Literal["email", "phone", "credit_card", "iban", "ip", "us_ssn"]
_KINDS: tuple[Kind, ...] = ("email", "phone", "credit_card", "iban", "ip", "us_ssn")


_LONGEST_ADDRESS = 400
"""Characters; an e-mail address has 254 at most, and punctuation may stand around it."""


class PIIParams(Parameters):
    """Parameters of `pii`."""

    kinds: tuple[Kind, ...] = Field(_KINDS, min_length=1, description="What is looked for.")
    least: float = Field(
        0.4, ge=0, le=1, description="Least confidence of presidio; it gives phone numbers 0.4."
    )


class PII(Scorer[PIIParams]):
    """Whether an answer holds personal data, by presidio's patterns and checksums.

    Names and places need a language model of presidio and are not looked for. Long numbers may
    pass for phone numbers.
    """

    name = "pii"
    purpose = "texts"
    when = "Before publishing. Patterns and validators; no model."
    summary = "e-mail addresses, phone, card, IBAN, IP and social security numbers in the answers"
    reference = "presidio-analyzer, pattern recognisers"
    scope: ClassVar[Literal["row", "table"]] = "row"
    stored = True
    Params = PIIParams

    def columns(self) -> tuple[Column, ...]:
        """Flags, and the kinds that were found."""
        return (
            Column("chosen", "the preferred answer holds personal data", "bool", LOWER),
            Column("rejected", "the other answer holds personal data", "bool", LOWER),
            Column("chosen_kinds", "kinds in the preferred answer, by commas", "text"),
            Column("rejected_kinds", "kinds in the other answer, by commas", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Flags of a batch."""
        chosen, rejected = map_distinct_texts(pairs, ("chosen", "rejected"), self._found)
        return pl.DataFrame(
            {
                "chosen": [bool(kinds) for kinds in chosen],
                "rejected": [bool(kinds) for kinds in rejected],
                "chosen_kinds": chosen,
                "rejected_kinds": rejected,
            }
        )

    def _found(self, text: str) -> str:
        return ",".join(kind for kind, one in self._recognisers if self._has(kind, one, text))

    def _has(self, kind: Kind, recogniser: Any, text: str) -> bool:
        if kind == "email":
            text = _words_with_at(text)
        found = recogniser.analyze(text, recogniser.supported_entities, None)
        return any(result.score >= self.params.least for result in found)

    @cached_property
    def _recognisers(self) -> list[tuple[Kind, Any]]:
        need("presidio_analyzer", "hygiene", "scorer 'pii'")
        from presidio_analyzer import predefined_recognizers as known
        from tldextract import TLDExtract

        domains = TLDExtract(suffix_list_urls=(), cache_dir=None)

        class Email(known.EmailRecognizer):  # type: ignore[misc]
            """Without the download of domain endings that presidio starts."""

            def validate_result(self, pattern_text: str) -> bool:
                return bool(domains(pattern_text).top_domain_under_public_suffix)

        made: dict[Kind, Any] = {
            "email": Email,
            "phone": known.PhoneRecognizer,
            "credit_card": known.CreditCardRecognizer,
            "iban": known.IbanRecognizer,
            "ip": known.IpRecognizer,
            "us_ssn": known.UsSsnRecognizer,
        }
        return [(kind, made[kind]()) for kind in self.params.kinds]


def _words_with_at(text: str) -> str:
    """Return the words that may be e-mail addresses.

    The recogniser's pattern takes time with the square of a long word's length.
    """
    words = (word for word in text.split() if "@" in word and len(word) <= _LONGEST_ADDRESS)
    return " ".join(words)
