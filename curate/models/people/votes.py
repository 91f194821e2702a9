"""Votes of several people on the same two answers to a prompt."""

from __future__ import annotations

import polars as pl

from curate.data.hashes import content_keys

LOW, HIGH, TIE = "low", "high", "tie"
# Of EM at most.
_ITERATIONS = 100


def vote_table(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return one row a vote: task (number of the pair of texts), worker, label ("low", "high" or
    "tie").

    Votes without an annotator count as one person's each.
    """
    keys = content_keys(pairs).with_columns(pairs["is_tie"], pairs["annotator"], pairs["pair_id"])
    task = pl.struct("prompt", "low", "high").rank("dense")
    label = (
        pl.when("is_tie")
        .then(pl.lit(TIE))
        .when(pl.col("chosen") == pl.col("low"))
        .then(pl.lit(LOW))
        .otherwise(pl.lit(HIGH))
    )
    # One shared name for all anonymous votes would make them one person who contradicts himself.
    worker = pl.coalesce("annotator", pl.lit("vote ") + pl.col("pair_id"))
    return keys.select(task=task, worker=worker, label=label, pair_id="pair_id")


def dawid_skene_consensus(votes: pl.DataFrame) -> pl.DataFrame:
    """Return the consensus of each task by Dawid and Skene (1979): `task` and `consensus`.

    A confusion matrix of every worker and the labels, by expectation maximisation.

    Args:
        votes: task, worker and label, one row a vote.
    """
    from crowdkit.aggregation import DawidSkene

    table = votes.select("task", "worker", "label").to_pandas()
    labels = DawidSkene(n_iter=_ITERATIONS).fit_predict(table)
    consensus = pl.DataFrame({"task": labels.index.to_numpy(), "consensus": labels.to_numpy()})
    return consensus.cast({"task": votes.schema["task"], "consensus": pl.String})
