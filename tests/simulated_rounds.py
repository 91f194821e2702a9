"""A simulated policy: answers with vectors and true rewards, and people who err at a known rate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from curate.derive import round_command
from curate.derive.pool import AnswerPool
from curate.derive.round_command import RoundPlan, run_round
from curate.models.embed.report import EmbeddingReport
from curate.steps.context import SilentProgress
from curate.steps.features import Features
from curate.write.run_files import RunFiles
from tests.helpers import pairs_of, turn

DIM, ANSWERS = 24, 5


class World:
    """Answers with vectors, true rewards, and people who err at a known rate."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self.reward = self._rng.normal(size=DIM)
        self.reward *= 4.0 / np.linalg.norm(self.reward)
        self._vectors: dict[str, np.ndarray] = {}

    def vector(self, text: str) -> np.ndarray:
        if text not in self._vectors:
            vector = self._rng.normal(size=DIM)
            self._vectors[text] = vector / np.linalg.norm(vector)
        return self._vectors[text]

    def true(self, text: str) -> float:
        return float(self.vector(text) @ self.reward)

    def embed(self, pairs: pl.DataFrame) -> Features:
        texts: dict[str, int] = {}
        index = {
            part: np.array([texts.setdefault(m[0]["content"], len(texts)) for m in pairs[part]])
            for part in ("prompt", "chosen", "rejected")
        }
        vectors = np.stack([self.vector(t) for t in texts]).astype(np.float32)
        return Features(vectors, np.zeros((len(texts), 1), np.float32), index)

    def gold(self, count: int, flips: float = 0.1) -> pl.DataFrame:
        rows = []
        for i in range(count):
            pair = sorted((f"gold {i} a", f"gold {i} b"), key=self.true, reverse=True)
            if self._rng.random() < flips:
                pair.reverse()
            rows.append({"prompt": f"gold {i}", "chosen": pair[0], "rejected": pair[1]})
        return pairs_of(rows)

    def pool(self, count: int, name: str = "pool") -> AnswerPool:
        prompts = [turn(f"{name} {i}", "user") for i in range(count)]
        return AnswerPool(
            prompts, [[f"{name} {i} {k}" for k in range(ANSWERS)] for i in range(count)]
        )

    def right(self, pairs: pl.DataFrame) -> np.ndarray:
        texts = [[m[0]["content"] for m in pairs[side]] for side in ("chosen", "rejected")]
        return np.array([self.true(c) > self.true(r) for c, r in zip(*texts, strict=True)])


@contextmanager
def embedded_by(world: World) -> Iterator[None]:
    """Rounds take their vectors from this world."""

    def embed(frame: pl.DataFrame, *_: Any, **__: Any) -> tuple[Features, EmbeddingReport]:
        return world.embed(frame), EmbeddingReport()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(round_command, "embed_frame", embed)
        yield


def kept_of(folder: Path) -> pl.DataFrame:
    return pl.concat(list(RunFiles(folder).kept_batches()))


def do_round(out: Path, pool: Any, gold: pl.DataFrame, **plan: Any) -> dict[str, Any]:
    settings = RoundPlan("gold", **plan)
    _, report = run_round(pool, gold, settings, out, False, SilentProgress(), store=None)
    return report.to_json()
