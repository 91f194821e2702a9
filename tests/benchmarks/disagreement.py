"""Flips, tastes and cycles together, on simulated data whose truth is known.

python -m tests.benchmarks.disagreement [--seeds 5] [--scale 6] [--pairs 3000] [--minority 0.5]

Two groups of annotators (the second holds a share `minority`) prefer along opposite axes on half of
the pairs; on the other half three styles of answers beat each other in a circle, for everybody;
then 20 % of the labels are flipped. The truth of a pair is flip, or else taste or cycle by half.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import expit
from sklearn.metrics import balanced_accuracy_score

from curate.scorers.disagreement import CYCLE, FLIP, TASTE, Disagreement
from curate.scorers.label_em import LabelEM
from curate.steps.context import Context
from tests.helpers import context_of, pairs_of

_FIRST = 10
"""First seed that is reported: nothing was chosen by looking at it or later ones."""


@dataclass
class Mixed:
    """Pairs of which some are flipped; `truth` is flip, taste or cycle, `best` Bayes' guess."""

    pairs: pl.DataFrame
    context: Context
    truth: np.ndarray
    best: np.ndarray


def mixed(
    count: int = 3000,
    annotators: int = 60,
    dim: int = 16,
    scale: float = 6.0,
    flips: float = 0.2,
    minority: float = 0.5,
    seed: int = 0,
) -> Mixed:
    """`scale` is the standard deviation of true margins; cycles have margins of that size."""
    rng = np.random.default_rng(seed)
    axis, styles = np.eye(dim)[2], np.zeros((3, dim))
    styles[:, :2] = [[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(3) / 3]
    person = rng.integers(annotators, size=count)
    group = np.where(person < minority * annotators, -1.0, 1.0)
    cyclic = rng.random(count) < 0.5
    answers = rng.normal(size=(count, 2, dim)) / np.sqrt(2.0)
    first = rng.integers(3, size=count)
    second = (first + rng.choice([1, 2], size=count)) % 3
    turn = np.where((second - first) % 3 == 1, 1.0, -1.0)
    for slot, style in enumerate((first, second)):
        draws = 2.0 * styles[style] + 0.3 * rng.normal(size=(count, dim)) * (np.arange(dim) < 2)
        answers[:, slot, :3] = np.where(cyclic[:, None], draws[:, :3], answers[:, slot, :3])
    apart = (answers[:, 0] - answers[:, 1]) @ axis
    margin = scale * np.where(cyclic, turn, group * apart)
    flipped = rng.random(count) < flips
    wins = (rng.random(count) < expit(margin)) ^ flipped
    rows, vectors = [], {}
    for i in range(count):
        pair = answers[i] if wins[i] else answers[i, ::-1]
        vectors |= {f"c{i}": pair[0], f"r{i}": pair[1]}
        rows.append(
            {"prompt": f"p{i}", "chosen": f"c{i}", "rejected": f"r{i}"}
            | {"annotator": f"a{person[i]}"}
        )
    pairs = pairs_of(rows)
    kind = np.where(cyclic, CYCLE, TASTE)
    group_rows = expit(np.where(wins, margin, -margin))
    wrong = group_rows * (1 - flips) < (1 - group_rows) * flips
    context = context_of(pairs, vectors, dim)
    return Mixed(pairs, context, np.where(flipped, FLIP, kind), np.where(wrong, FLIP, kind))


def accuracies(sim: Mixed) -> dict[str, float]:
    """Share of pairs whose kind is right; for label_em flips against the rest."""
    kinds = Disagreement().score(sim.pairs, sim.context)["kind"].to_numpy()
    posterior = LabelEM().score(sim.pairs, sim.context)["posterior"].to_numpy()
    flip = sim.truth == FLIP
    results = {
        "disagreement: three kinds": float((kinds == sim.truth).mean()),
        "Bayes-optimal: three kinds": float((sim.best == sim.truth).mean()),
    }
    flags = {
        "disagreement": kinds == FLIP,
        "label_em": posterior < 0.5,
        "no label flagged": np.zeros_like(flip),
    }
    for name, flagged in flags.items():
        results[f"{name}: flip or not"] = float((flagged == flip).mean())
        results[f"{name}: flip or not, balanced"] = float(balanced_accuracy_score(flip, flagged))
    return results


def main() -> None:
    """Print mean and standard deviation over seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=6.0)
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--minority", type=float, default=0.5)
    arguments = parser.parse_args()
    settings = {"count": arguments.pairs, "scale": arguments.scale, "minority": arguments.minority}
    rows = [
        accuracies(mixed(**settings, seed=seed)) for seed in range(_FIRST, _FIRST + arguments.seeds)
    ]
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"{name:45} {np.mean(values):.3f} ±{np.std(values, ddof=1):.3f}")


if __name__ == "__main__":
    main()
