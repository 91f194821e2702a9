"""Annotation tools: their task files, and their answers as verdicts.

People see the answers as A and B in random order. A verdict speaks of the label as it stands in the
run: keep, flip, tie, drop or skip.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import polars as pl

from curate.data.table import messages_text

QUESTION = "verdict"
CHOICES = {"A": "A is better", "B": "B is better", "tie": "equally good", "drop": "unusable"}
GUIDELINES = (
    "Which answer to the prompt is better? Choose 'equally good' when you would be content with "
    "either, and 'unusable' when nothing should be learned from the pair (both wrong or harmful)."
)
Verdict = tuple[str, str, str]
"""pair_id, reviewer, verdict."""


def verdict_of(choice: str, first_is_chosen: bool) -> str | None:
    """The verdict on the label that a choice between A and B means; None for an unknown choice."""
    if choice in ("A", "B"):
        return "keep" if (choice == "A") == first_is_chosen else "flip"
    return choice if choice in CHOICES else None


def shown(pairs: pl.DataFrame, first_is_chosen: pl.Series) -> Iterator[dict[str, Any]]:
    """Prompt, both answers as shown, id and order of each pair."""
    texts = pairs.select(
        "pair_id",
        "prompt",
        prompt_text=messages_text("prompt"),
        chosen=messages_text("chosen"),
        rejected=messages_text("rejected"),
    )
    for row, first in zip(texts.iter_rows(named=True), first_is_chosen, strict=True):
        answers = (row["chosen"], row["rejected"]) if first else (row["rejected"], row["chosen"])
        yield {**row, "answer_a": answers[0], "answer_b": answers[1], "first": bool(first)}


class Tool(ABC):
    """One annotation tool."""

    name: ClassVar[str]

    @abstractmethod
    def files(self, pairs: pl.DataFrame, first_is_chosen: pl.Series) -> dict[str, Any]:
        """Task files by name."""

    @abstractmethod
    def matches(self, exported: Any) -> bool:
        """Whether parsed JSON is what the tool exports."""

    @abstractmethod
    def verdicts(self, exported: Any) -> Iterator[Verdict]:
        """The verdicts in what the tool exports; a choice that is none of ours is 'skip'."""


def order(first_is_chosen: bool) -> str:
    """How the answers are shown, in a word that tells an annotator nothing."""
    return "straight" if first_is_chosen else "crossed"


def is_first(word: str) -> bool:
    """Whether the word of `order` says that A is the chosen answer."""
    return word == order(True)


def all_have(exported: Any, *keys: str) -> bool:
    """Whether it is a list of objects that have all these keys."""
    listed = isinstance(exported, list) and len(exported) > 0
    return listed and all(isinstance(x, dict) and set(keys) <= set(x) for x in exported)


def parse_export(data: bytes) -> tuple[Any, list[int]]:
    """JSON, or JSON lines, as plain data, a single object as a list of one; and numbers of lines
    that are damaged.

    Raises:
        ValueError: it is neither.
    """
    try:
        found = json.loads(data)
        return ([found] if isinstance(found, dict) else found), []
    except (ValueError, RecursionError):
        pass
    rows, damaged = [], []
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError):
            damaged.append(number)
    if not rows:
        raise ValueError("no line is JSON")
    return rows, damaged
