"""Traits of style that are counted in an answer, each on a log scale."""

from __future__ import annotations

import polars as pl

from curate.data.table import messages_text

LENGTH = "length"
"""The answer's characters."""
TRAITS: dict[str, str] = {
    "list items": r"(?m)^\s*(?:[-*•]|\d+[.)])\s",
    "headers": r"(?m)^#{1,6}\s",
    "bold": r"\*\*[^*\n]+\*\*",
    "code": r"```|`[^`\n]+`",
    "citations": r"\[\d+\]|https?://|\(\w[^()]{1,40}, \d{4}\)",
    "questions": r"\?",
    "exclamations": r"!",
    "refusal": r"(?i)\bi(?:['\x{2019}]m| am) sorry\b|\bi (?:can(?:['\x{2019}]t|not| not)|"
    r"won['\x{2019}]t)\b|\bas an? (?:ai|artificial)\b",
}
"""What is counted, by regular expression; the length stands beside it."""
TRAIT_NAMES = (LENGTH, *TRAITS)


def log_count(side: str, trait: str) -> pl.Expr:
    """Return log(1 + count) of a trait in the column "chosen" or "rejected"."""
    text = messages_text(side)
    count = text.str.len_chars() if trait == LENGTH else text.str.count_matches(TRAITS[trait])
    return count.cast(pl.Float64).log1p()


def trait_difference(trait: str) -> pl.Expr:
    """Return a trait of chosen minus rejected."""
    return log_count("chosen", trait) - log_count("rejected", trait)
