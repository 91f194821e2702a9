"""Number of instructions in a prompt."""

from __future__ import annotations

import polars as pl
from pydantic import Field, field_validator

from curate import Column, Context, Parameters, Scope, Scorer
from curate.scoring import messages_text
from curate.scoring.texts import check_pattern, ignoring_case

_NUMBER = r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten)"
_UNIT = r"(?:word|sentence|paragraph|line|character|item|bullet|point|section|example|step|page)s?"
# The kinds follow IFEval's instruction groups; the expressions are ours.
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
        PATTERNS,
        min_length=1,
        description="Kinds of instructions and their case-insensitive regular expressions.",
    )

    @field_validator("patterns")
    @classmethod
    def _compile(cls, patterns: dict[str, str]) -> dict[str, str]:
        for kind, pattern in patterns.items():
            try:
                check_pattern(pattern)
            except ValueError as error:
                raise ValueError(f"{kind}: {error}") from None
        return patterns


class MultiInstruction(Scorer[MultiInstructionParams]):
    """Count the constraints in a prompt by English patterns, after the kinds of IFEval.

    `count` is the number of matches, `kinds` the number of different kinds (IFEval, arXiv
    2311.07911), `names` lists them. Patterns see words, not meaning, and English only. `curate
    derive` creates pairs with instructions whose fulfilment can be checked (MAPL, arXiv
    2505.12845). Use it to find prompts with several constraints.

    Examples:
        >>> from curate import score
        >>> row = {"prompt": "In 50 words, as JSON.", "chosen": "{}", "rejected": "no"}
        >>> score([row], "multi_instruction").frame["multi_instruction.names"].to_list()
        ['length, format']
    """

    name = "multi_instruction"
    purpose = "taste, annotators, context"
    when = "To find prompts with several constraints. English patterns."
    summary = "number and kinds of constraints in the prompt (English patterns)"
    reference = "IFEval, arXiv 2311.07911 (kinds); MAPL, arXiv 2505.12845"
    scope = Scope.ROW
    single_answer_columns = ("count", "kinds", "names")
    Params = MultiInstructionParams

    def columns(self) -> tuple[Column, ...]:
        """Return constraints, kinds and their names."""
        return (
            Column("count", "constraints in the prompt", "int", unit="constraints"),
            Column("kinds", "different kinds of constraints", "int", unit="kinds"),
            Column("names", "the kinds, comma-separated", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return counts of a batch."""
        counts = self._count_constraints(pairs)
        kinds = list(self.params.patterns)
        names = [pl.when(pl.col(kind) > 0).then(pl.lit(kind)) for kind in kinds]
        return counts.select(
            count=pl.sum_horizontal(kinds).cast(pl.Int64),
            kinds=pl.sum_horizontal(pl.col(kind) > 0 for kind in kinds).cast(pl.Int64),
            names=pl.concat_str(names, separator=", ", ignore_nulls=True),
        )

    def _count_constraints(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return matches of each kind in each prompt; each distinct prompt is searched once."""
        texts = pairs.select(text=messages_text("prompt").fill_null(""))
        counts = {
            kind: pl.col("text").str.count_matches(ignoring_case(pattern))
            for kind, pattern in self.params.patterns.items()
        }
        # Ten patterns for each distinct prompt, of which there are often far fewer than pairs.
        distinct = texts.unique().with_columns(**counts)
        return texts.join(distinct, on="text", how="left", maintain_order="left")
