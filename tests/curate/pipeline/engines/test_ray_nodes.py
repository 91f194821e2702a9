"""A Ray cluster of two nodes on this machine, one of which is lost in the middle of a run."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from curate.data import table
from curate.pipeline.config import EngineConfig
from curate.pipeline.engines.ray import RayEngine
from curate.pipeline.scorer_step import ScorerStep
from curate.pipeline.scoring import PairScorer
from curate.scorers.duplicates import Duplicates
from curate.steps.context import Context
from tests.curate.models.text.test_near_duplicates import scraped
from tests.curate.plugin import Slow
from tests.helpers import numbered_pairs

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow


@pytest.fixture
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray_cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        yield ray_cluster
    finally:
        ray.shutdown()
        ray_cluster.shutdown()


def test_a_node_that_is_lost_costs_its_blocks_and_no_more(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curate.pipeline.scoring.ROW_BATCH", 1)
    other = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    lost: list[float] = []

    def lose_one() -> None:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and len(list(tmp_path.glob("*.pid"))) < 2:
            time.sleep(0.02)
        cluster.remove_node(other, allow_graceful=False)
        lost.append(time.monotonic())

    loser = threading.Thread(target=lose_one)
    loser.start()
    engine = RayEngine(EngineConfig(name="ray", address=cluster.address, workers=2))
    step = ScorerStep("slow", Slow(folder=str(tmp_path)))
    scores, report = PairScorer(numbered_pairs(40), Context(), None, engine).score(step)
    finished = time.monotonic()
    loser.join()
    assert lost
    assert lost[0] < finished
    assert scores["slow.characters"].to_list() == [len(f"good {i}") for i in range(40)]
    assert report.facts == {"rows": 40}


def test_a_cluster_is_joined_if_it_is_named_and_not_because_it_runs_here(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def joined() -> str:
        engine = RayEngine(EngineConfig(name="ray", workers=1))
        # Nothing is started or joined before there is work for it.
        assert not ray.is_initialized()
        assert engine.workers.count == 1
        try:
            return str(ray.get_runtime_context().gcs_address)
        finally:
            engine.close()

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert joined() != cluster.address
    # As within a job that `ray job submit` started.
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    assert joined() == cluster.address


class LosesANode:
    """Workers of whom half are lost once the first result has come."""

    def __init__(self, workers: Any, lose: Any) -> None:
        self._workers, self._lose, self.lost, self.count = workers, lose, False, workers.count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._workers, name)

    def map(self, function: Any, *columns: Any) -> Iterator[Any]:
        for value in self._workers.map(function, *columns):
            if not self.lost:
                self.lost = True
                self._lose()
            yield value


def test_parts_of_a_lost_node_are_made_again(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of near duplicates: they keep parts, exchange parts, and bring results home."""
    monkeypatch.setattr(table, "BATCH_ROWS", 64)  # ten parts
    other = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    engine = RayEngine(EngineConfig(name="ray", address=cluster.address, workers=2))
    lose = partial(cluster.remove_node, other, allow_graceful=False)
    workers = LosesANode(engine.workers, lose)
    pairs, step = scraped(600), ScorerStep("duplicates", Duplicates())
    local_scores, _ = PairScorer(pairs, Context()).score(step)
    there, _ = PairScorer(pairs, Context(workers=workers), None, engine).score(step)
    assert workers.lost
    assert local_scores["duplicates.near"].any()
    assert_frame_equal(there, local_scores)
