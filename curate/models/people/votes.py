"""Votes of several people on the same two answers to a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.hashes import content_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOW, HIGH, TIE = "low", "high", "tie"
_VOTE_COLUMNS = ("task", "worker", "label")
# Of EM at most.
_ITERATIONS = 100
# Of the bound per vote; what comes after moves no consensus that is worth the name.
_LEAST_GAIN = 1e-5
_LEAST_PROBABILITY = 1e-10


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

    A confusion matrix of every worker and the labels, by expectation maximisation. Starts, bounds
    and stops as crowd-kit does, whose consensus it is.

    Args:
        votes: task, worker and label, one row a vote.
    """
    # A third of a second, which filters that only read conditions need not wait.
    from scipy.special import entr, logsumexp

    tasks, labels = votes["task"].unique().sort(), votes["label"].unique().sort()
    codes = [votes[name].rank("dense").to_numpy().astype(np.int64) - 1 for name in _VOTE_COLUMNS]
    task, worker, label = codes
    vote_cell = worker * len(labels) + label
    # From the shares of votes: alike for all labels, they would stay alike.
    posterior = np.zeros((len(tasks), len(labels)))
    np.add.at(posterior, (task, label), 1.0)
    posterior /= posterior.sum(axis=1, keepdims=True)
    bound = -np.inf
    log_prior, log_error = _maximise(vote_cell, task, posterior)
    for _ in range(_ITERATIONS):
        log_joint = np.tile(log_prior, (len(tasks), 1))
        np.add.at(log_joint, task, log_error)
        posterior = np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True))
        log_prior, log_error = _maximise(vote_cell, task, posterior)
        expectation = (posterior[task] * (log_error + log_prior)).sum()
        last_bound, bound = bound, (expectation + entr(posterior).sum()) / len(votes)
        if bound - last_bound < _LEAST_GAIN:
            break
    return pl.DataFrame({"task": tasks, "consensus": labels[posterior.argmax(axis=1).tolist()]})


def _maximise(
    vote_cell: NDArray[np.int64], task: NDArray[np.int64], posterior: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the log of the prior of each label, and of P(vote | label), (votes, labels).

    Args:
        vote_cell: (votes,) number of the worker times the number of labels, plus the label.
        task: (votes,) number of the task.
        posterior: (tasks, labels).
    """
    labels = posterior.shape[1]
    cells = np.zeros((vote_cell.max() // labels * labels + labels, labels))
    np.add.at(cells, vote_cell, posterior[task])
    # What a worker said once stays possible, what he never said counts for nothing.
    cells[vote_cell] = cells[vote_cell].clip(_LEAST_PROBABILITY)
    of_worker = cells.reshape(-1, labels, labels).sum(axis=1)
    error = cells[vote_cell] / of_worker[vote_cell // labels]
    return np.log(posterior.mean(axis=0).clip(_LEAST_PROBABILITY)), np.log(error)
