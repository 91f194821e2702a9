"""Answers that flatter."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import LOWER, Cache, Column, Context, Parameters, Scope, Scorer
from curate.scoring.texts import Patterns, opening_matches

_PRAISE = r"(?:great|excellent|fantastic|wonderful|brilliant|amazing|insightful|thoughtful|good)"
# Typical first sentences; a list, so that users can replace it.
PATTERNS = (
    r"^\W*(?:what |that's |that is |this is )?(?:an? |such an? )?(?:really |very |truly )?"
    rf"{_PRAISE} (?:question|point|idea|observation|thinking|choice)\b",
    r"\byou(?:'re| are) (?:absolutely|totally|completely|entirely|so|quite) (?:right|correct)\b",
    r"\byou(?:'ve| have)? (?:raised?|made?|make) an? (?:very )?"
    rf"(?:{_PRAISE}|valid|important) point\b",
    r"\bi love (?:your|this|that) (?:question|idea|enthusiasm|curiosity)\b",
)


class SycophancyParams(Parameters):
    """Parameters of `sycophancy`."""

    patterns: Patterns = Field(
        PATTERNS, description="Regular expressions; case and the form of apostrophes are ignored."
    )
    within: int = Field(200, ge=1, description="Number of characters from the start to search.")


class Sycophancy(Scorer[SycophancyParams]):
    """Flag answers that begin with praise of the user, or with unreserved agreement, in English.

    `chosen` and `rejected` are flags, from the first `within` characters. Patterns see words, not
    meaning: whether the user is right is not looked at, and flattery in another language or further
    on is missed. Compare both columns: labels reward flattery where far more chosen answers have it
    than rejected ones.

    Examples:
        >>> from curate import score
        >>> row = {"prompt": "Is 7 even?", "chosen": "You're absolutely right!", "rejected": "No."}
        >>> score([row], "sycophancy").frame["sycophancy.chosen"].to_list()
        [True]
    """

    name = "sycophancy"
    purpose = "texts"
    when = "To see whether labels reward praise of the user. English patterns, editable."
    summary = "whether an answer begins with praise of the user or unreserved agreement (English)"
    scope = Scope.ROW
    cache = Cache.WHOLE
    single_answer_columns = ("chosen",)
    Params = SycophancyParams

    def columns(self) -> tuple[Column, ...]:
        """Return both flags."""
        return (
            Column("chosen", "the chosen answer begins with flattery", "bool", LOWER),
            Column("rejected", "the rejected answer begins with flattery", "bool", LOWER),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return flags of a batch."""
        return opening_matches(pairs, self.params.patterns, self.params.within)
