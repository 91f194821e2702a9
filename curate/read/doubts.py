"""What makes a reading doubtful though every row is well-formed: counted, and told in notes."""

from __future__ import annotations

import polars as pl

from curate.data.extra_column import extra_value
from curate.read.formats.base import RowSample

_TEMPLATE_MARKS = (
    "<|im_start|>", "<|start_header_id|>", "<start_of_turn>", "<|user|>", "<|assistant|>",
    "[INST]", "<|start_of_role|>", "\nAssistant:", "### Response:",
)  # fmt: skip
_SCORES = (
    ("score_chosen", "score_rejected"),
    ("chosen_score", "rejected_score"),
    ("chosen_rating", "rejected_rating"),
    ("rating_chosen", "rating_rejected"),
    ("chosen_reward", "rejected_reward"),
    ("reward_chosen", "reward_rejected"),
)
_LEAST_SHARE = 0.01
"""Of prompts that hold a template's marks: fewer may well be about such marks."""


class Doubts:
    """Counts over the blocks of a reading."""

    def __init__(self) -> None:
        self._scores: tuple[str, str] | None = None
        self._pairs = self._templated = self._scored = self._against = 0

    def look_at(self, sample: RowSample) -> None:
        """Find columns of scores in the first rows."""
        names = {key for row in sample for key in row}
        self._scores = next((pair for pair in _SCORES if names.issuperset(pair)), None)

    def count(self, pairs: pl.DataFrame) -> None:
        """Count over the pairs of a block."""
        self._pairs += len(pairs)
        marked = pl.col("prompt").list.last().struct.field("content")
        marked = marked.str.contains_any(list(_TEMPLATE_MARKS)).sum()
        self._templated += pairs.select(n=marked)["n"].item() or 0
        if self._scores is None:
            return
        chosen, rejected = (
            extra_value(name).cast(pl.Float64, strict=False) for name in self._scores
        )
        voted = pairs.filter(~pl.col("is_tie")).select(less=chosen < rejected)["less"]
        self._scored += len(voted) - voted.null_count()
        self._against += int(voted.sum() or 0)

    def notes(self) -> tuple[str, ...]:
        """What was found, a sentence each."""
        found = []
        if self._templated > _LEAST_SHARE * self._pairs:
            found.append(
                f"{self._templated:,} of {self._pairs:,} prompts hold marks of a chat template "
                "(such as <|im_start|> or [INST]): they are taken as text, and a trainer's "
                "template would wrap them once more; give messages with roles instead"
            )
        if self._against and self._scores is not None:
            chosen, rejected = self._scores
            found.append(
                f"'{chosen}' is less than '{rejected}' in {self._against:,} of "
                f"{self._scored:,} pairs: these labels contradict their own scores"
            )
        return tuple(found)
