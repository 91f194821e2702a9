"""How far several people who voted on the same pair agree."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.models.people.votes import dawid_skene_consensus, vote_table

# Pairs that two people both judged; kappa of fewer is noise.
_MIN_SHARED = 5


def audit_agreement(pairs: pl.DataFrame) -> dict[str, Any]:
    """Krippendorff's alpha and the Dawid-Skene consensus, where several people voted on a pair."""
    # A person who voted twice on the same answers agrees with nobody but themselves.
    votes = vote_table(pairs).unique(["task", "worker"], keep="first", maintain_order=True)
    shared = votes.filter(pl.len().over("task") > 1)
    tasks = shared["task"].n_unique()
    found: dict[str, Any] = {"pairs_with_several_votes": tasks}
    if tasks < _MIN_SHARED:
        return found
    unanimous = shared.group_by("task").agg(pl.col("label").n_unique() == 1)["label"].mean()
    found["unanimous"] = float(unanimous or 0.0)  # type: ignore[arg-type]
    found["krippendorff_alpha"] = _alpha(shared)
    found |= _consensus(shared)
    return found


def _alpha(votes: pl.DataFrame) -> float:
    """Krippendorff's alpha, nominal: 1 perfect agreement, 0 chance."""
    from crowdkit.metrics.data import alpha_krippendorff

    return float(alpha_krippendorff(votes.select("task", "worker", "label").to_pandas()))


def _consensus(votes: pl.DataFrame) -> dict[str, Any]:
    """Votes that the Dawid-Skene consensus contradicts, over all and for each worker (1979)."""
    judged = votes.join(dawid_skene_consensus(votes), on="task")
    judged = judged.with_columns(wrong=pl.col("label") != pl.col("consensus"))
    workers = judged.group_by("worker").agg(votes=pl.len(), contradicted=pl.col("wrong").mean())
    # Of a single vote the share is 0 or 1, and heads every list.
    workers = workers.filter(pl.col("votes") > 1).sort("contradicted", descending=True)
    return {
        "consensus_contradicts": float(judged["wrong"].sum() / len(judged)),
        "by_annotator": workers.head(50).to_dicts(),
    }
