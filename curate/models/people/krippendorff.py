"""Krippendorff's alpha: how far votes on the same tasks agree beyond chance."""

from __future__ import annotations

import polars as pl


def krippendorff_alpha(votes: pl.DataFrame) -> float:
    """Return Krippendorff's alpha, nominal: 1 perfect agreement, 0 chance.

    Args:
        votes: task and label of each vote, of tasks with two votes or more.

    Examples:
        >>> votes = pl.DataFrame({"task": [1, 1, 2, 2], "label": ["a", "a", "b", "b"]})
        >>> krippendorff_alpha(votes)
        1.0
    """
    counts = votes.group_by("task", "label").len("n").cast({"n": pl.Int64})
    size = pl.col("n").sum()
    unequal = (size**2 - (pl.col("n") ** 2).sum()) / (size - 1)
    # Of the votes on one task, and as if all votes were on one.
    observed = float(counts.group_by("task").agg(unequal)["n"].sum())
    expected = float(counts.group_by("label").agg(size).select(unequal)["n"].item())
    return 1.0 - observed / expected if expected else 1.0
