"""What reading, embedding and the store tell of themselves in a run's record."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.pipeline.score_cache import ScoreCache
from curate.read.pairs import Pairs
from curate.steps.context import Context
from curate.steps.step_record import StepRecord


def read_record(pairs: Pairs, seconds: float, facts: dict[str, Any]) -> StepRecord:
    """The record of the step "read"."""
    counts = (pairs.rows_read, len(pairs))
    return StepRecord("read", "read", *counts, seconds, facts, warnings=pairs.notes)


def keep_embedding(steps: list[StepRecord], context: Context, cache: ScoreCache) -> None:
    """Keep what the embedding told, or tell what an earlier one did.

    A run that takes all scores from the store embeds nothing, and they have seen as little of long
    texts as when they were made.
    """
    own, key = context.for_step(), cache.key_of(["embedding"], embedded=True)
    made = next((step for step in steps if step.kind == "embed"), None)
    if made is not None:
        own.facts, own.warnings = dict(made.facts), list(made.warnings)
        cache.put(key, pl.DataFrame({"pairs": [made.rows_in]}), own)
        return
    kept = cache.get(key, own, rows_as_pairs=False)
    if kept is not None and own.warnings:
        rows, facts = kept["pairs"][0], own.facts | {"cached": True}
        steps.insert(1, StepRecord("embed", "embed", rows, rows, 0.0, facts, (*own.warnings,)))


def store_record(context: Context, rows: int) -> list[StepRecord]:
    """What is wrong with the store, as a step of its own; nothing where all is well."""
    told = context.store.troubles.texts() if context.store is not None else ()
    return [StepRecord("store", "store", rows, rows, 0.0, warnings=told)] if told else []
