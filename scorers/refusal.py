"""Answers that refuse."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import Cache, Column, Context, Parameters, Scope, Scorer
from curate.scoring.texts import Patterns, opening_matches

# Typical first sentences of refusals; a list, so that users can replace it.
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

    patterns: Patterns = Field(
        PATTERNS, description="Regular expressions; case and the form of apostrophes are ignored."
    )
    within: int = Field(300, ge=1, description="Number of characters from the start to search.")


class Refusal(Scorer[RefusalParams]):
    """Flag answers that begin like a refusal, by English patterns.

    `chosen` and `rejected` are flags, from the first `within` characters. Patterns see words, not
    meaning: a polite correction may match, and a refusal in another language does not. A classifier
    by `text_classifier` finds more. Use it on safety data, where refusals decide labels.

    Examples:
        >>> from curate import score
        >>> row = {"prompt": "Help?", "chosen": "Sure.", "rejected": "I'm sorry, but I can't help."}
        >>> score([row], "refusal").frame["refusal.rejected"].to_list()
        [True]
    """

    name = "refusal"
    purpose = "texts"
    when = "For safety data, where refusals decide labels. English patterns, editable."
    summary = "whether an answer begins like a refusal (English patterns, editable)"
    scope = Scope.ROW
    cache = Cache.WHOLE
    single_answer_columns = ("chosen",)
    Params = RefusalParams

    def columns(self) -> tuple[Column, ...]:
        """Return both flags; whether a refusal is good depends on the prompt."""
        return (
            Column("chosen", "the chosen answer refuses", "bool"),
            Column("rejected", "the rejected answer refuses", "bool"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return flags of a batch."""
        # A refusal begins at once; such words further on are mostly quotations.
        return opening_matches(pairs, self.params.patterns, self.params.within)
