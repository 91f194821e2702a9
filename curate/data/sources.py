"""Prompts and answers that several sources of one dataset share."""

from __future__ import annotations

import polars as pl

from curate.data.hashes import content_keys


def count_shared_between_sources(pairs: pl.DataFrame) -> dict[str, int]:
    """Count prompts, and pairs of the same two answers, that occur in several sources.

    `contradicted_across_sources` counts pairs on which two sources prefer different answers. The
    result is empty if there is a single source.
    """
    if pairs["source"].n_unique() < 2:
        return {}
    keys = content_keys(pairs).with_columns(pairs["source"], pairs["is_tie"])
    several = pl.col("source").n_unique() > 1
    prompts = keys.group_by("prompt").agg(s=several)["s"].sum()
    voted = ~pl.col("is_tie") & (pl.col("low") != pl.col("high"))
    same = keys.group_by("prompt", "low", "high").agg(
        s=several, labels=pl.col("chosen").filter(voted).n_unique()
    )
    shared = same.filter("s")
    return {
        "prompts_in_several_sources": int(prompts),
        "answers_in_several_sources": len(shared),
        "contradicted_across_sources": int((shared["labels"] > 1).sum()),
    }


def shared_between_sources_notes(pairs: pl.DataFrame) -> list[str]:
    """Return these counts as notes; empty if nothing is shared."""
    counts = count_shared_between_sources(pairs)
    notes = []
    if counts.get("prompts_in_several_sources"):
        notes.append(f"{counts['prompts_in_several_sources']:,} prompts stand in several sources")
    if counts.get("answers_in_several_sources"):
        notes.append(
            f"{counts['answers_in_several_sources']:,} pairs of answers stand in several sources, "
            f"{counts['contradicted_across_sources']:,} of them with opposite labels: "
            "'exact_duplicates' and 'consensus' look at all sources together"
        )
    return notes
