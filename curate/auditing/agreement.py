"""How far several people who voted on the same pair agree."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.models.people.votes import dawid_skene_consensus, vote_table

# Pairs that two people both judged; kappa of fewer is noise.
_MIN_SHARED = 5


def audit_agreement(pairs: pl.DataFrame) -> dict[str, Any]:
    """Return Krippendorff's alpha and the Dawid-Skene consensus, where several people voted on a
    pair.
    """
    # Repeated votes of one person on the same answers are no agreement between people.
    votes = vote_table(pairs).unique(["task", "worker"], keep="first", maintain_order=True)
    shared = votes.filter(pl.len().over("task") > 1)
    tasks = shared["task"].n_unique()
    findings: dict[str, Any] = {"pairs_with_several_votes": tasks}
    if tasks < _MIN_SHARED:
        return findings
    unanimous = shared.group_by("task").agg(pl.col("label").n_unique() == 1)["label"].mean()
    findings["unanimous"] = float(unanimous or 0.0)  # type: ignore[arg-type]
    findings["krippendorff_alpha"] = _krippendorff_alpha(shared)
    findings |= _consensus_facts(shared)
    return findings


def _krippendorff_alpha(votes: pl.DataFrame) -> float:
    """Return Krippendorff's alpha, nominal: 1 perfect agreement, 0 chance.

    Args:
        votes: of tasks with two votes or more.
    """
    counts = votes.group_by("task", "label").len("n").cast({"n": pl.Int64})
    size = pl.col("n").sum()
    unequal = (size**2 - (pl.col("n") ** 2).sum()) / (size - 1)
    # Of the votes on one task, and as if all votes were on one.
    observed = float(counts.group_by("task").agg(unequal)["n"].sum())
    expected = float(counts.group_by("label").agg(size).select(unequal)["n"].item())
    return 1.0 - observed / expected if expected else 1.0


def _consensus_facts(votes: pl.DataFrame) -> dict[str, Any]:
    """Return votes that the Dawid-Skene consensus contradicts, over all and for each worker
    (1979).
    """
    compared = votes.join(dawid_skene_consensus(votes), on="task")
    compared = compared.with_columns(wrong=pl.col("label") != pl.col("consensus"))
    workers = compared.group_by("worker").agg(votes=pl.len(), contradicted=pl.col("wrong").mean())
    # The share of a single vote is 0 or 1, which would head every list.
    workers = workers.filter(pl.col("votes") > 1).sort("contradicted", descending=True)
    return {
        "consensus_contradicts": float(compared["wrong"].sum() / len(compared)),
        # The report stays readable with thousands of annotators.
        "by_annotator": workers.head(50).to_dicts(),
    }
