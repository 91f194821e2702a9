"""How well the data values of `knn_shapley` find injected flips, beside other methods.

    python -m tests.benchmarks.data_values DATA [--seeds 5] [--k 50] [--sets Auto-J* LLMBar*]

DATA and the cells (split, flips) are those of `tests.benchmarks.noise_score`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from curate.benchmark.data import BenchData, split_train_test
from curate.benchmark.methods import METHODS, Method, rank_pairs
from curate.benchmark.patterns import inject_flips
from curate.benchmark.run import experiment_seed
from curate.steps.context import Context
from tests.benchmarks.noise_score import SETS, real_sets

RATES = (0.2, 0.4)
NAMES = ("noise_score", "knn_shapley", "knn_consensus", "margin (control)")


def cell(
    data: BenchData, rate: float, seed: int, methods: tuple[Method, ...]
) -> dict[str, tuple[float, float]]:
    """AUROC of the flips and seconds, by method."""
    rng = np.random.default_rng(experiment_seed(data.name, "symmetric", rate, seed))
    train, _ = split_train_test(data, seed)
    noisy, flips = inject_flips(train, "symmetric", rate, rng)
    context = Context(seed=seed).for_pairs(noisy.pairs, noisy.features)
    rankings = rank_pairs(noisy, methods, context)
    return {
        name: (float(roc_auc_score(flips, np.nan_to_num(ranking.suspicion))), ranking.seconds)
        for name, ranking in rankings.items()
    }


def main() -> None:
    """Print AUROC with its spread over seeds, by set, rate and method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--k", type=int, nargs="+", default=[50])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    arguments = parser.parse_args()
    chosen = [method for method in METHODS if method.name in NAMES]
    shapley = next(method for method in chosen if method.name == "knn_shapley")
    reference_methods = tuple(method for method in chosen if method is not shapley)
    by_k = tuple(
        replace(shapley, name=f"knn_shapley k={k}", parameters={"k": k}) for k in arguments.k
    )
    for name, data in real_sets(arguments.data, arguments.sets):
        for rate in RATES:
            cells = [
                cell(data, rate, seed, reference_methods + by_k) for seed in range(arguments.seeds)
            ]
            for method in cells[0]:
                aurocs, seconds = np.array([one[method] for one in cells]).T
                spread = f"{aurocs.mean():.3f} ±{aurocs.std(ddof=1):.3f}"
                print(f"{name:12} {rate:.0%} {method:18} {spread} {seconds.mean():.2f} s")


if __name__ == "__main__":
    main()
