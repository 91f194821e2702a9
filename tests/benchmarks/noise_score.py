"""How well `noise_score` finds injected flips, and what it costs.

    python -m tests.benchmarks.noise_score DATA [--seeds 10] [--within length] [--no-style]

DATA holds the published files in the folders that `denoising.sh` names. The cells (split, flips)
are those of `curate bench`; Auto-J and LLMBar are the sets on which constants were chosen.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from curate.benchmark.data import BenchData, split_train_test, unanimous_data
from curate.benchmark.patterns import inject_flips
from curate.benchmark.run import experiment_seed
from curate.models.embed.frame import embed_frame
from curate.models.embed.settings import EmbedderConfig
from curate.models.heads.margin_scorer import MarginParams
from curate.read.pairs import read_pairs
from curate.steps.context import Context, SilentProgress
from curate.store.store import open_store

SETS = {
    "Auto-J*": "auto-j/autoj_pairwise.json",
    "LLMBar*": "llmbar/*.json",
    "PandaLM": "pandalm/testset-v1.json",
    "HH harmless": "hh-rlhf-harmless/test.jsonl.gz",
    "LF en": "llama-factory-dpo/dpo_en_demo.json",
    "LF zh": "llama-factory-dpo/dpo_zh_demo.json",
}
RATES = (0.1, 0.2, 0.4)


def real_sets(folder: Path, only: Sequence[str] = ()) -> Iterator[tuple[str, BenchData]]:
    """Name and unanimous votes of each set, with features; `only` of these names, default all."""
    for name, place in SETS.items():
        if only and name not in only:
            continue
        pairs = read_pairs(str(folder / place)).frame
        features, _ = embed_frame(pairs, EmbedderConfig(), open_store("auto"), SilentProgress())
        yield name, unanimous_data(Path(place).name, pairs, features)


def cell(data: BenchData, rate: float, seed: int, scorer: MarginParams) -> tuple[float, float]:
    """AUROC of the flips in one cell, and CPU seconds."""
    rng = np.random.default_rng(experiment_seed(data.name, "symmetric", rate, seed))
    train, _ = split_train_test(data, seed)
    noisy, flips = inject_flips(train, "symmetric", rate, rng)
    context = Context(seed=seed).for_pairs(noisy.pairs, noisy.features)
    started = time.process_time()
    right = scorer.posterior(noisy.pairs, context).right
    return float(roc_auc_score(flips, -right)), time.process_time() - started


def main() -> None:
    """Print AUROC with its spread over seeds, by set and rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--within", action="append", default=[])
    parser.add_argument("--no-style", action="store_true")
    arguments = parser.parse_args()
    scorer = MarginParams(style=not arguments.no_style, within=arguments.within)
    means = []
    for name, data in real_sets(arguments.data):
        row, seconds = [], []
        for rate in RATES:
            aurocs = [cell(data, rate, seed, scorer) for seed in range(arguments.seeds)]
            values, times = np.array(aurocs).T
            row.append((values.mean(), values.std()))
            seconds.append(times.mean())
        means.append([mean for mean, _ in row])
        cells = "  ".join(f"{mean:.3f} ±{sd:.3f}" for mean, sd in row)
        print(f"{name:12} {cells}  {np.mean(seconds):.2f} CPU s a cell", flush=True)
    print("mean         " + "  ".join(f"{mean:.3f}" for mean in np.mean(means, axis=0)))


if __name__ == "__main__":
    main()
