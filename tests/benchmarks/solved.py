"""Solved heads beside heads trained by Adam: AUROC for injected flips, likeness, seconds.

python -m tests.benchmarks.solved DATA... [--seeds 4]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from curate import read_pairs
from curate.models.embed.frame import embed_frame
from curate.models.embed.settings import EmbedderConfig
from curate.models.heads.build import initialise_heads
from curate.models.heads.held_out_values import gather_held_out_values
from curate.models.heads.modules import HeadSpec, fit_heads
from curate.models.heads.out_of_fold import answer_features, fold_weights, train_out_of_fold
from curate.steps.context import Context, SilentProgress
from curate.steps.features import Features

REPEATS, FOLDS, MOST = 8, 5, 6000


def both(
    pairs: pl.DataFrame, features: Features, seed: int
) -> tuple[list[np.ndarray], list[float]]:
    """Held-out margins of solved and of trained heads, and what each took."""
    context = Context(seed=seed).for_pairs(pairs, features)
    spec = HeadSpec()
    started = time.perf_counter()
    solved = train_out_of_fold(pairs, context, spec, REPEATS, FOLDS).margins().mean(axis=1)
    middle = time.perf_counter()
    chosen, rejected = answer_features(pairs, context, "embedding")
    scorer_of, weights = fold_weights(pairs, context, REPEATS, FOLDS)
    heads = initialise_heads(spec, chosen.shape[1], weights.shape[1], seed)
    fit_heads(heads, chosen, rejected, weights, spec, seed)
    trained = gather_held_out_values(heads.margins, chosen, rejected, scorer_of).mean(axis=1)
    return [solved, trained], [middle - started, time.perf_counter() - middle]


def main() -> None:
    """Print one line a data set and rate."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="+")
    parser.add_argument("--seeds", type=int, default=4)
    arguments = parser.parse_args()
    print("| data | pairs | flips | AUROC solved | trained | correlation | seconds | trained |")
    print("|---|---|---|---|---|---|---|---|")
    for place in arguments.data:
        pairs = read_pairs(place, on_error="skip").frame.filter(~pl.col("is_tie")).head(MOST)
        features, _ = embed_frame(pairs, EmbedderConfig(), None, SilentProgress())
        for rate in (0.1, 0.2, 0.4):
            rows = []
            for seed in range(arguments.seeds):
                flips = np.random.default_rng(seed).random(len(pairs)) < rate
                margins, seconds = both(pairs, features.flipped(flips), seed)
                areas = [roc_auc_score(flips, -m) for m in margins]
                rows.append([*areas, np.corrcoef(*margins)[0, 1], *seconds])
            solved, trained, like, fast, slow = np.mean(rows, axis=0)
            print(
                f"| {place[-25:]} | {len(pairs):,} | {rate:.0%} | {solved:.3f} | {trained:.3f} "
                f"| {like:.3f} | {fast:.2f} | {slow:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
