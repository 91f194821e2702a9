"""Cycles of preference among the answers to one prompt, and prompts shared between two sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curate.data.hashes import content_keys
from curate.data.json_result import JsonResult
from curate.data.sources import count_shared_between_sources
from curate.data.table import messages_key
from curate.models.people.tournament import CYCLE, build_tournaments, mean_clarity

_SOURCE_COUNTS = frozenset(
    ("prompts_in_several_sources", "answers_in_several_sources", "contradicted_across_sources")
)


@dataclass(frozen=True)
class PreferenceStructure(JsonResult):
    """Cycles among the answers to one prompt, and what sources share.

    Attributes:
        prompts_with_three_answers: prompts with three answers or more.
        pairs_on_cycles: pairs that are part of a cycle among them.
        prompts_with_cycles: prompts with such pairs.
        clarity: 1 minus the mean entropy of the preferences of a prompt; None without any.
        prompts_in_several_sources: None, as what follows, with a single source.
        answers_in_several_sources: pairs of the same two answers that several sources have.
        contradicted_across_sources: pairs on which two sources prefer different answers.
    """

    optional_fields: ClassVar[frozenset[str]] = _SOURCE_COUNTS

    prompts_with_three_answers: int
    pairs_on_cycles: int
    prompts_with_cycles: int
    clarity: float | None
    prompts_in_several_sources: int | None = None
    answers_in_several_sources: int | None = None
    contradicted_across_sources: int | None = None


@dataclass(frozen=True)
class PromptLeakage(JsonResult):
    """Prompts that two datasets share, white space and case ignored.

    Attributes:
        prompts: distinct prompts of the audited dataset.
        shared_prompts: those that the other dataset has too.
        pairs_of_shared_prompts: their pairs in the audited dataset.
    """

    prompts: int
    shared_prompts: int
    pairs_of_shared_prompts: int


def audit_structure(pairs: pl.DataFrame) -> PreferenceStructure:
    """Return prompts with three answers or more, and the pairs on cycles among them."""
    keys = content_keys(pairs)
    answers = pl.concat([keys.select("prompt", answer=c) for c in ("chosen", "rejected")])
    several = answers.unique().group_by("prompt").len().filter(pl.col("len") >= CYCLE)
    cycles = build_tournaments(pairs)
    on_cycle = pl.Series(cycles.on_cycle)
    return PreferenceStructure(
        len(several),
        int(on_cycle.sum()),
        keys.filter(on_cycle)["prompt"].n_unique(),
        mean_clarity(cycles),
        **count_shared_between_sources(pairs),
    )


def audit_leakage(pairs: pl.DataFrame, other_pairs: pl.DataFrame) -> PromptLeakage:
    """Return prompts (white space and case ignored) that two datasets share."""
    prompts, other_prompts = (_normalised_prompts(frame) for frame in (pairs, other_pairs))
    # Plain texts have no prompt, and share none.
    shared = prompts.is_in(other_prompts.filter(other_prompts != "").implode())
    return PromptLeakage(prompts.n_unique(), prompts.filter(shared).n_unique(), int(shared.sum()))


def _normalised_prompts(pairs: pl.DataFrame) -> pl.Series:
    # White space and capitals are no other prompt.
    key = messages_key("prompt").str.to_lowercase().str.replace_all(r"\s+", " ")
    return pairs.select(p=key.str.strip_chars())["p"]
