"""Two Ray workers against one on this machine: `python -m tests.benchmarks.ray_workers`.

[--rows 60000]. Row scorers and static embeddings of the same pairs; starting the cluster is not
counted, the first run warms up.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from curate import read_pairs
from curate.models.embed.settings import EmbedderConfig
from curate.pipeline.config import EngineConfig
from curate.pipeline.engines.ray import RayEngine
from curate.pipeline.plan import ScorerStep
from curate.pipeline.scoring import run_scorer
from curate.read.pairs import Pairs
from curate.steps.context import Context, SilentProgress
from scorers.pii import PII
from scorers.repetition import Repetition
from tests.benchmarks.scale import make


def seconds(pairs: Pairs, workers: int) -> dict[str, float]:
    """Wall seconds of each step on so many workers."""
    from curate.models.embed.pair_embeddings import embed_pairs

    found: dict[str, float] = {}
    engine = RayEngine(EngineConfig(name="ray", workers=workers))
    try:
        few = pairs.frame[:2000]
        for scorer in (Repetition(), PII()):
            step = ScorerStep(scorer.name, scorer)
            run_scorer(step, few, Context(), None, engine)
            started = time.perf_counter()
            run_scorer(step, pairs.frame, Context(), None, engine)
            found[scorer.name] = time.perf_counter() - started
        embedder = engine.embedder(EmbedderConfig(name="minilm"))
        started = time.perf_counter()
        embed_pairs(few[:400], embedder, None, SilentProgress())
        found["minilm, 1,200 texts"] = time.perf_counter() - started
    finally:
        engine.close()
    return found


def main() -> None:
    """Print times and ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder, "d.parquet"), given.rows)
        pairs = read_pairs(str(Path(folder, "d.parquet")))
    one, two = seconds(pairs, 1), seconds(pairs, 2)
    for name, value in one.items():
        print(
            f"{name}: one worker {value:.1f} s, two {two[name]:.1f} s, "
            f"{value / two[name]:.2f} times"
        )


if __name__ == "__main__":
    main()
