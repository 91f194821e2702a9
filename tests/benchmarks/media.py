"""Image pairs from end to end: how long, how often each image is decoded, what is found.

Preferences are known: of two images the redder one is preferred, and a fifth of the labels is
turned. The model is a CLIP with random weights, so that figures say what the machinery does and
nothing of a real model. `python -m tests.benchmarks.media [PAIRS]`
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import roc_auc_score

from curate import Pipeline
from curate.models.media import media_set
from tests.media_models import tiny_clip
from tests.pictures import coloured

_PAIRS, _FLIPS, _SIDE = 10_000, 0.2, 64


def write_pairs(path: Path, pairs: int, seed: int = 0) -> np.ndarray:
    """Rows as Pick-a-Pic's; which labels are wrong, (pairs,)."""
    rng = np.random.default_rng(seed)
    flips = rng.random(pairs) < _FLIPS
    rows = []
    for i, flip in enumerate(flips):
        reds = rng.integers(40, 216, 2)
        images = [coloured((int(r), 90, 120), 2 * i + k, _SIDE) for k, r in enumerate(reds)]
        label = float((reds[0] >= reds[1]) ^ flip)
        row = {"caption": f"picture {i % 997}", "jpg_0": images[0], "jpg_1": images[1]}
        rows.append(row | {"label_0": label})
    pq.write_table(pa.Table.from_pylist(rows), path)
    return flips


def main(pairs: int) -> None:
    """Print seconds of a first and of a second run, decodes an image, and AUROC of flips."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        flips = write_pairs(folder / "pairs.parquet", pairs)
        config = {
            "input": {"path": str(folder / "pairs.parquet")},
            "embedder": {"name": str(tiny_clip(folder / "clip"))},
            "scorers": [
                {"type": name}
                for name in (
                    *("media_health", "image_near_duplicates", "alignment", "answer_overlap"),
                    *("reward_margin", "noise_score", "knn_diversity"),
                )
            ],
            "filters": [{"type": "flip_lowest", "column": "noise_score.margin", "share": 0.1}],
            "output": {"format": "diffusers"},
            "store": str(folder / "store"),
        }
        decoded = 0
        real = media_set.DECODERS["images"]

        def counting(data: bytes) -> media_set.Decoded:
            nonlocal decoded
            decoded += 1
            return real(data)

        media_set.DECODERS["images"] = counting
        for run in ("first", "again"):
            decoded, started = 0, time.perf_counter()
            result = Pipeline(config).run(output=folder / run)
            seconds = time.perf_counter() - started
            rate = decoded / (2 * pairs)
            print(f"{run}: {seconds:.1f} s, {rate:.2f} decodes an image")
        margin = pl.read_parquet(folder / "first" / "scores.parquet")["reward_margin.margin"]
        print(f"AUROC of flips by reward_margin: {roc_auc_score(flips, -margin.to_numpy()):.3f}")
        print(f"kept {len(result.kept):,} of {pairs:,}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else _PAIRS)
