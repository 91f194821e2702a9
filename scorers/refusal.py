"""Answers that refuse."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field, field_validator

from curate import Column, Context, Parameters, Scorer
from curate.models.text.answer_texts import of_distinct

PATTERNS = (
    r"\bi(?:'m| am) (?:very |so |really )?sorry,? (?:but|i can)",
    r"\bi (?:can(?:'t|not| not)|won't|will not|am not able to|am unable to) "
    r"(?:help|assist|provide|answer|comply|do that|fulfil|support|engage|participate|create|write)",
    r"\bi'm (?:not able|unable) to\b",
    r"\bi must (?:decline|refuse)\b",
    r"\bi(?:'d| would) (?:prefer|rather) not\b",
    r"\bi(?:'m| am) not comfortable\b",
    r"\bas an? (?:ai|artificial intelligence)(?: language model| assistant)?,? "
    r"i (?:can|do not|don't)",
    r"\b(?:goes )?against my (?:programming|guidelines|principles)\b",
)


class RefusalParams(Parameters):
    """Parameters of `refusal`."""

    patterns: tuple[str, ...] = Field(
        PATTERNS, description="Regular expressions; case and the form of apostrophes do not matter."
    )
    within: int = Field(300, ge=1, description="Characters from the start that are searched.")

    @field_validator("patterns")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return patterns


class Refusal(Scorer[RefusalParams]):
    """Whether an answer begins like a refusal, by English patterns.

    Patterns see words and not the meaning: a polite correction may match, and a refusal in another
    language does not. For more, take a classifier by `text_classifier`.
    """

    name = "refusal"
    purpose = "texts"
    when = "For safety data, where refusals decide labels. English patterns, editable."
    summary = "whether an answer begins like a refusal (English patterns, editable)"
    scope: ClassVar[Literal["row", "table"]] = "row"
    stored, stored_whole = True, True
    Params = RefusalParams

    def columns(self) -> tuple[Column, ...]:
        """Whether a refusal is good depends on the prompt."""
        return (
            Column("chosen", "the preferred answer refuses", "bool"),
            Column("rejected", "the other answer refuses", "bool"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Flags of a batch."""
        wanted = re.compile("|".join(f"(?:{p})" for p in self.params.patterns), re.IGNORECASE)

        def refuses(text: str) -> bool:
            # A refusal says so at once; a word of it further on is mostly a quotation.
            start = text[: self.params.within].replace("\u2019", "'")
            return bool(self.params.patterns) and wanted.search(start) is not None

        chosen, rejected = of_distinct(pairs, ("chosen", "rejected"), refuses)
        return pl.DataFrame({"chosen": chosen, "rejected": rejected})
