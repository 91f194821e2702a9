"""What users say of earlier answers in the prompts of a dataset."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from curate.data.hashes import prompt_keys
from curate.data.json_result import JsonResult
from curate.data.json_types import JsonObject
from curate.models.text.feedback import DSAT, SAT
from curate.models.text.feedback_position import exchange_signals

_MIN_MESSAGES = 3
"""Messages of a prompt in which a user can have spoken of an answer."""


@dataclass(frozen=True)
class UserFeedback(JsonResult):
    """Shares of the distinct conversations in which a user shows (dis)satisfaction.

    Attributes:
        conversations: prompts that hold an earlier answer.
        with_sat: share with satisfaction.
        with_dsat: share with dissatisfaction.
        with_either: share with either.
    """

    conversations: int = 0
    with_sat: float = 0.0
    with_dsat: float = 0.0
    with_either: float = 0.0

    def to_json(self) -> JsonObject:
        """Return the counts as plain data; nothing where no prompt holds an answer."""
        return super().to_json() if self.conversations else {}


def audit_feedback(pairs: pl.DataFrame) -> UserFeedback:
    """Return the share of the distinct conversations in which a user shows (dis)satisfaction, by
    patterns and positions.

    Patterns miss paraphrases: shares are lower bounds.
    """
    several = pairs.filter(pl.col("prompt").list.len() >= _MIN_MESSAGES)
    if several.is_empty():
        return UserFeedback()
    several = several.filter(prompt_keys(several).is_first_distinct())
    turns = several.select("prompt").with_row_index("n").explode("prompt").unnest("prompt")
    before = pl.col("role").shift(1).over("n")
    turns = turns.with_columns(
        pl.col("content").fill_null(""),
        prompt=pl.col("content").shift(2).over("n").fill_null(""),
        answer=pl.col("content").shift(1).over("n").fill_null(""),
    )
    # Only a reply to an answer can express satisfaction with it.
    reactions = turns.filter((pl.col("role") == "user") & (before == "assistant"))
    signal_kinds = exchange_signals(reactions.select("prompt", "answer", "content").rows())
    kinds = reactions.select("n").with_columns(
        pl.Series("kind", [s.kind if s else None for s in signal_kinds], dtype=pl.String)
    )
    kinds = kinds.drop_nulls("kind")
    sat, dsat = (kinds.filter(pl.col("kind") == kind)["n"].n_unique() for kind in (SAT, DSAT))
    counts = (sat, dsat, kinds["n"].n_unique())
    return UserFeedback(len(several), *(round(count / len(several), 4) for count in counts))
