from __future__ import annotations

import numpy as np
import polars as pl

from curate.models.people.krippendorff import krippendorff_alpha
from curate.models.people.votes import dawid_skene_consensus


def votes_of(labels: np.ndarray) -> pl.DataFrame:
    """Votes of workers, one a column, on tasks, one a row."""
    tasks, workers = labels.shape
    return pl.DataFrame(
        {
            "task": np.repeat(np.arange(tasks) * 7 + 3, workers),
            "worker": [f"w{worker}" for _ in range(tasks) for worker in range(workers)],
            "label": [("low", "high")[label] for label in labels.ravel().tolist()],
        }
    )


def simulated(seed: int, accuracies: list[float], tasks: int = 300) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, tasks)
    is_right = rng.random((tasks, len(accuracies))) < accuracies
    return truth, np.where(is_right, truth[:, None], 1 - truth[:, None])


def share_right(consensus: pl.DataFrame, truth: np.ndarray) -> float:
    labels = np.array(["low", "high"])[truth]
    return float((consensus.sort("task")["consensus"].to_numpy() == labels).mean())


def test_good_workers_outweigh_a_majority_that_guesses() -> None:
    truth, labels = simulated(0, [0.95, 0.92, 0.52, 0.52, 0.5, 0.5, 0.5])
    majority = float(((labels.mean(axis=1) > 0.5) == truth).mean())
    assert share_right(dawid_skene_consensus(votes_of(labels)), truth) > max(0.93, majority + 0.1)


def test_one_who_always_errs_is_read_the_other_way_round() -> None:
    truth, labels = simulated(1, [0.85, 0.85, 0.85, 0.02])
    without = share_right(dawid_skene_consensus(votes_of(labels[:, :3])), truth)
    assert share_right(dawid_skene_consensus(votes_of(labels)), truth) > without + 0.02


def test_a_worker_with_one_vote_changes_nothing() -> None:
    _, labels = simulated(2, [0.9, 0.8, 0.7], tasks=60)
    votes = votes_of(labels)
    stranger = pl.DataFrame({"task": [3], "worker": ["new"], "label": ["high"]})
    consensus = dawid_skene_consensus(votes)
    assert dawid_skene_consensus(pl.concat([votes, stranger]))[1:].equals(consensus[1:])


def test_alpha_equals_the_coincidence_matrix() -> None:
    # Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", part A: two observers.
    first, second = "0100000000", "1110010100"
    labels = np.array([[int(a), int(b)] for a, b in zip(first, second, strict=True)])
    assert round(krippendorff_alpha(votes_of(labels)), 3) == 0.095
    assert krippendorff_alpha(votes_of(np.zeros((4, 2), dtype=int))) == 1.0
