"""What several sources of one data set share."""

from __future__ import annotations

import polars as pl

from curate.data.hashes import content_keys


def shared_between_sources(pairs: pl.DataFrame) -> dict[str, int]:
    """Prompts, and pairs of the same two answers, that stand in several sources.

    `contradicted_across_sources` counts those of which two sources prefer different answers. Empty
    where there is a single source.
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


def shared_notes(pairs: pl.DataFrame) -> list[str]:
    """The same in words; nothing where nothing is shared."""
    found = shared_between_sources(pairs)
    notes = []
    if found.get("prompts_in_several_sources"):
        notes.append(f"{found['prompts_in_several_sources']:,} prompts stand in several sources")
    if found.get("answers_in_several_sources"):
        notes.append(
            f"{found['answers_in_several_sources']:,} pairs of answers stand in several sources, "
            f"{found['contradicted_across_sources']:,} of them with opposite labels: "
            "'exact_duplicates' and 'consensus' look at all sources together"
        )
    return notes
