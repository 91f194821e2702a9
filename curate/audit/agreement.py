"""How far several people who voted on the same pair agree."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.data.hashes import content_keys

_MIN_SHARED = 5
_ITERATIONS = 100


def votes_table(pairs: pl.DataFrame) -> pl.DataFrame:
    """One row a vote: task (number of the pair of texts), worker, label ("low", "high" or "tie").

    Votes without an annotator count as one person's each.
    """
    keys = content_keys(pairs).with_columns(pairs["is_tie"], pairs["annotator"], pairs["pair_id"])
    task = pl.struct("prompt", "low", "high").rank("dense")
    label = (
        pl.when("is_tie")
        .then(pl.lit("tie"))
        .when(pl.col("chosen") == pl.col("low"))
        .then(pl.lit("low"))
        .otherwise(pl.lit("high"))
    )
    worker = pl.coalesce("annotator", pl.lit("vote ") + pl.col("pair_id"))
    return keys.select(task=task, worker=worker, label=label, pair_id="pair_id")


def audit_agreement(pairs: pl.DataFrame) -> dict[str, Any]:
    """Krippendorff's alpha and the Dawid-Skene consensus, where several people voted on a pair."""
    votes = votes_table(pairs).unique(["task", "worker"], keep="first", maintain_order=True)
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
    from crowdkit.aggregation import DawidSkene

    table = votes.select("task", "worker", "label").to_pandas()
    labels = DawidSkene(n_iter=_ITERATIONS).fit_predict(table)
    consensus = pl.DataFrame({"task": labels.index.to_numpy(), "consensus": labels.to_numpy()})
    judged = votes.join(consensus.cast({"task": votes.schema["task"]}), on="task")
    judged = judged.with_columns(wrong=pl.col("label") != pl.col("consensus"))
    workers = judged.group_by("worker").agg(votes=pl.len(), contradicted=pl.col("wrong").mean())
    workers = workers.filter(pl.col("votes") > 1).sort("contradicted", descending=True)
    return {
        "consensus_contradicts": float(judged["wrong"].sum() / len(judged)),
        "by_annotator": workers.head(50).to_dicts(),
    }
