"""Annotation tools: their task files, and their answers as verdicts.

People see the answers as A and B in random order. A verdict speaks of the label as it stands in the
run: keep, flip, tie, drop or skip.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import polars as pl

from curate.data.json_types import JsonObject
from curate.data.table import messages_text
from curate.verdicts.answers import answer_hashes

QUESTION = "verdict"
CHOICES = {"A": "A is better", "B": "B is better", "tie": "equally good", "drop": "unusable"}
GUIDELINES = (
    "Which answer to the prompt is better? Choose 'equally good' when you would be content with "
    "either, and 'unusable' when nothing should be learned from the pair (both wrong or harmful)."
)
UNDONE = "undone"
"""Stands for a verdict that its reviewer took back."""


class ReviewVerdict(NamedTuple):
    """A reviewer's verdict on one pair.

    Attributes:
        pair_id: of the pair.
        reviewer: name of the reviewer.
        verdict: keep, flip, tie, drop or skip, or `UNDONE`.
        chosen_hash: hash of the answer that the label preferred when the pair was shown; None in
            files of older versions.
        rejected_hash: hash of the other answer.
        blind: whether the pair was shown without its label; None where the file does not say.
    """

    pair_id: str
    reviewer: str
    verdict: str
    chosen_hash: str | None = None
    rejected_hash: str | None = None
    blind: bool | None = None


def to_review_verdict(choice: str, first_is_chosen: bool) -> str | None:
    """Return the verdict on the label for a choice between A and B; None if unknown."""
    if choice in ("A", "B"):
        return "keep" if (choice == "A") == first_is_chosen else "flip"
    return choice if choice in CHOICES else None


def task_rows(pairs: pl.DataFrame, first_is_chosen: pl.Series) -> Iterator[JsonObject]:
    """Yield the task of each pair.

    Its id and prompt, both answers as A and B, the word for their order, and `answers`: the hashes
    of A and B, by which a verdict finds its answer again after the label was flipped.
    """
    texts = pairs.select(
        "pair_id",
        "prompt",
        prompt_text=messages_text("prompt"),
        chosen=messages_text("chosen"),
        rejected=messages_text("rejected"),
    ).hstack(answer_hashes(pairs))
    for row, first in zip(texts.iter_rows(named=True), first_is_chosen, strict=True):
        sides = ("chosen", "rejected") if first else ("rejected", "chosen")
        yield {
            **{name: row[name] for name in ("pair_id", "prompt", "prompt_text")},
            "answer_a": row[sides[0]],
            "answer_b": row[sides[1]],
            # In the order shown, so that an export says which answers were seen, whatever becomes
            # of the labels.
            "answers": " ".join(row[f"{side}_hash"] for side in sides),
            "order": order_word(bool(first)),
        }


def task_hashes(answers: Any, first_is_chosen: bool) -> tuple[str | None, str | None]:
    """Return the hashes of the chosen and the rejected answer in the `answers` of a task."""
    if not isinstance(answers, str) or len(answers.split()) != 2:
        return None, None
    first, second = answers.split()
    return (first, second) if first_is_chosen else (second, first)


class AnnotationTool(ABC):
    """One annotation tool."""

    name: ClassVar[str]

    @abstractmethod
    def files(self, pairs: pl.DataFrame, first_is_chosen: pl.Series) -> JsonObject:
        """Return the task files by name."""

    @abstractmethod
    def matches(self, exported: Any) -> bool:
        """Return whether parsed JSON is an export of the tool."""

    @abstractmethod
    def verdicts(self, exported: Any) -> Iterator[ReviewVerdict]:
        """Return the verdicts in the tool's export; an unknown choice is 'skip'."""


def order_word(first_is_chosen: bool) -> str:
    """Return a code word for the order of the answers; it shows an annotator nothing."""
    # Words that tell a reviewer who sees them nothing.
    return "straight" if first_is_chosen else "crossed"


def is_first(word: str) -> bool:
    """Return whether a code word of `order_word` means that A is the chosen answer."""
    return word == order_word(True)


def have_all_fields(exported: Any, *keys: str) -> bool:
    """Return whether a value is a list of objects with all these keys."""
    listed = isinstance(exported, list) and len(exported) > 0
    return listed and all(isinstance(x, dict) and set(keys) <= set(x) for x in exported)


def parse_export(data: bytes) -> tuple[Any, list[int]]:
    """Return JSON, or JSON lines, as plain data, a single object as a list of one; and numbers of
    lines that are damaged.

    Raises:
        ValueError: it is neither.
    """
    try:
        parsed = json.loads(data)
        return ([parsed] if isinstance(parsed, dict) else parsed), []
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
