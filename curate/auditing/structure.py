"""Cycles of preference among the answers to one prompt, and prompts shared between two sets."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.data.hashes import content_keys
from curate.data.sources import count_shared_between_sources
from curate.data.table import messages_key
from curate.models.people.tournament import CYCLE, build_tournaments, mean_clarity


def audit_structure(pairs: pl.DataFrame) -> dict[str, Any]:
    """Return prompts with three answers or more, and the pairs on cycles among them."""
    keys = content_keys(pairs)
    answers = pl.concat([keys.select("prompt", answer=c) for c in ("chosen", "rejected")])
    several = answers.unique().group_by("prompt").len().filter(pl.col("len") >= CYCLE)
    cycles = build_tournaments(pairs)
    on_cycle = pl.Series(cycles.on_cycle)
    return {
        "prompts_with_three_answers": len(several),
        "pairs_on_cycles": int(on_cycle.sum()),
        "prompts_with_cycles": keys.filter(on_cycle)["prompt"].n_unique(),
        "clarity": mean_clarity(cycles),
    } | count_shared_between_sources(pairs)


def audit_leakage(pairs: pl.DataFrame, other_pairs: pl.DataFrame) -> dict[str, Any]:
    """Return prompts (white space and case ignored) that two datasets share."""
    prompts, other_prompts = (_normalised_prompts(frame) for frame in (pairs, other_pairs))
    shared = prompts.is_in(other_prompts.implode())
    return {
        "prompts": prompts.n_unique(),
        "shared_prompts": prompts.filter(shared).n_unique(),
        "pairs_of_shared_prompts": int(shared.sum()),
    }


def _normalised_prompts(pairs: pl.DataFrame) -> pl.Series:
    # White space and capitals are no other prompt.
    key = messages_key("prompt").str.to_lowercase().str.replace_all(r"\s+", " ")
    return pairs.select(p=key.str.strip_chars())["p"]
