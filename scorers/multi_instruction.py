"""How many instructions a prompt holds."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field, field_validator

from curate import Column, Context, Parameters, Scorer
from curate.models.text.answer_texts import of_distinct

_NUMBER = r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten)"
_UNIT = r"(?:word|sentence|paragraph|line|character|item|bullet|point|section|example|step|page)s?"
PATTERNS: dict[str, str] = {
    "length": rf"\b(?:at least|at most|no more than|less than|fewer than|more than|under|within|"
    rf"up to|exactly|around|about|in|using|limit(?:ed)? to)\s+{_NUMBER}[\s-]+{_UNIT}\b|"
    rf"\b{_NUMBER}[\s-]+{_UNIT}\b",
    "format": r"\b(?:json|xml|yaml|csv|html|markdown|latex|table|bullet(?:ed)?(?: points?| list)?|"
    r"numbered list|headings?|headline|title|code block|haiku|rhym\w+)\b",
    "must": r"\b(?:must|should|need to|make sure|ensure|be sure to|remember to|required to)\b",
    "must not": r"\b(?:do not|don't|must not|should not|avoid|without|never|refrain from|"
    r"exclude)\b",
    "keyword": r"\b(?:include|use|contain|mention)\w*\s+(?:the\s+)?"
    r"(?:words?|phrases?|keywords?|terms?|following)\b",
    "language": r"\b(?:in|into|to)\s+(?:english|french|german|spanish|italian|chinese|japanese|"
    r"korean|arabic|russian|portuguese|hindi|latin|dutch|turkish)\b",
    "case": r"\b(?:lower ?case|upper ?case|all caps|capital letters?|capitali[sz]e\w*)\b",
    "start or end": r"\b(?:start|begin|end|finish|conclude)\w*\s+(?:\w+\s+){0,4}?with\b",
    "tone": r"\b(?:formal|informal|casual|friendly|polite|persuasive|humorous|concise|brief|"
    r"professional|simple)\b(?:\W+\w+){0,2}?\W+(?:tone|style|language|manner|way|terms)\b",
    "role": r"\b(?:act as|you are an?|pretend (?:to be|that)|imagine (?:you|that)|"
    r"in the style of)\b",
}


class MultiInstructionParams(Parameters):
    """Parameters of `multi_instruction`."""

    patterns: dict[str, str] = Field(
        PATTERNS, description="Kinds of instructions and their regular expressions, case ignored."
    )

    @field_validator("patterns")
    @classmethod
    def _compile(cls, patterns: dict[str, str]) -> dict[str, str]:
        for kind, pattern in patterns.items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{kind}: {pattern!r} is none: {error}") from None
        return patterns


class MultiInstruction(Scorer[MultiInstructionParams]):
    """Constraints in a prompt by English patterns, after the kinds of IFEval's instructions.

    Patterns see words and not the meaning, and other languages not at all. `curate derive` makes
    further pairs with instructions whose fulfilment is known (MAPL).
    """

    name = "multi_instruction"
    purpose = "taste, annotators, context"
    when = "To find prompts with several constraints. English patterns."
    summary = "how many constraints the prompt holds, and of which kinds (English patterns)"
    reference = "IFEval, arXiv 2311.07911 (kinds); MAPL, arXiv 2505.12845"
    scope: ClassVar[Literal["row", "table"]] = "row"
    Params = MultiInstructionParams

    def columns(self) -> tuple[Column, ...]:
        """Constraints, kinds and their names."""
        return (
            Column("count", "constraints in the prompt", "int", unit="constraints"),
            Column("kinds", "different kinds of constraints", "int", unit="kinds"),
            Column("names", "the kinds, by commas", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Counts of a batch."""
        wanted = {k: re.compile(p, re.IGNORECASE) for k, p in self.params.patterns.items()}

        def found(text: str) -> dict[str, int]:
            counts = {kind: len(pattern.findall(text)) for kind, pattern in wanted.items()}
            return {kind: count for kind, count in counts.items() if count}

        # A prompt that stands in many pairs is searched once.
        (counts,) = of_distinct(pairs, ("prompt",), found)
        return pl.DataFrame(
            {
                "count": [sum(row.values()) for row in counts],
                "kinds": [len(row) for row in counts],
                "names": [", ".join(row) for row in counts],
            },
            schema={"count": pl.Int64, "kinds": pl.Int64, "names": pl.String},
        )
