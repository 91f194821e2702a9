"""Records of reading, embedding and the store in a run's manifest."""

from __future__ import annotations

import polars as pl

from curate.data.json_types import JsonObject
from curate.pipeline.score_cache import ScoreCache
from curate.read.pairs import Pairs
from curate.steps.context import Context
from curate.steps.step_record import CACHED, StepRecord


def read_record(pairs: Pairs, seconds: float, facts: JsonObject) -> StepRecord:
    """Return the record of the step "read"."""
    counts = (pairs.rows_read, len(pairs))
    return StepRecord("read", "read", *counts, seconds, facts, warnings=pairs.notes)


def store_embedding_record(steps: list[StepRecord], context: Context, cache: ScoreCache) -> None:
    """Store the record of the embedding, or add the stored record of an earlier run.

    A run that takes all scores from the store embeds nothing, and they have seen as little of long
    texts as when they were made.
    """
    step_context, key = context.for_step(), cache.key_of(["embedding"], embedded=True)
    embed_record = next((step for step in steps if step.kind == "embed"), None)
    if embed_record is not None:
        step_context.facts.update(embed_record.facts)
        step_context.warnings.extend(embed_record.warnings)
        cache.put(key, pl.DataFrame({"pairs": [embed_record.rows_in]}), step_context)
        return
    stored = cache.get(key, step_context, rows_as_pairs=False)
    if stored is not None and step_context.warnings:
        rows, facts = stored["pairs"][0], step_context.facts | {CACHED: True}
        steps.insert(
            1, StepRecord("embed", "embed", rows, rows, 0.0, facts, (*step_context.warnings,))
        )


def store_record(context: Context, rows: int) -> list[StepRecord]:
    """Return what is wrong with the store, as a step of its own; nothing where all is well."""
    problems = context.store.store_warnings.texts() if context.store is not None else ()
    return [StepRecord("store", "store", rows, rows, 0.0, warnings=problems)] if problems else []
