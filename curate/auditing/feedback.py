"""What users say of earlier answers in the prompts of a dataset."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.data.hashes import prompt_keys
from curate.models.text.feedback import DSAT, SAT, feedback_signals

_MIN_MESSAGES = 3
"""Messages of a prompt in which a user can have spoken of an answer."""


def audit_feedback(pairs: pl.DataFrame) -> dict[str, Any]:
    """Return the share of the distinct conversations in which a user shows (dis)satisfaction, by
    patterns.

    Patterns miss paraphrases: shares are lower bounds. {} where no prompt holds an answer.
    """
    several = pairs.filter(pl.col("prompt").list.len() >= _MIN_MESSAGES)
    if several.is_empty():
        return {}
    several = several.filter(prompt_keys(several).is_first_distinct())
    turns = several.select("prompt").with_row_index("n").explode("prompt").unnest("prompt")
    before = pl.col("role").shift(1).over("n")
    # Only a reply to an answer can express satisfaction with it.
    reactions = turns.filter((pl.col("role") == "user") & (before == "assistant"))
    signal_kinds = feedback_signals(reactions["content"].fill_null("").to_list())
    kinds = reactions.select("n").with_columns(
        pl.Series("kind", [s.kind if s else None for s in signal_kinds], dtype=pl.String)
    )
    shares = {
        f"with_{kind.lower()}": kinds.filter(pl.col("kind") == kind)["n"].n_unique() / len(several)
        for kind in (SAT, DSAT)
    }
    either = kinds.drop_nulls("kind")["n"].n_unique() / len(several)
    named = {name: round(share, 4) for name, share in {**shares, "with_either": either}.items()}
    return {"conversations": len(several), **named}
