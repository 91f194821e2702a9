"""A cluster that says it has GPUs: who gets one, and which device a worker takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from curate import Pipeline, read_pairs
from curate.models.embed import device as devices
from curate.pipeline.config import EngineConfig
from curate.pipeline.engines.ray import RayEngine
from curate.pipeline.engines.worker import WorkerSettings
from curate.pipeline.scorer_step import ScorerStep
from curate.scorers.lengths import Lengths
from curate.scorers.research.holder import Holder
from curate.scorers.reward_model import RewardModel
from curate.steps.context import Context
from tests.helpers import PANDALM_SAMPLE

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init("local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_workers_that_run_models_get_a_gpu_and_the_others_none(cluster: None) -> None:
    engine = RayEngine(EngineConfig(name="ray"))
    steps = [Lengths(), Holder(), RewardModel(models="some/model")]
    assert [engine._gpus_of(ScorerStep(s.name, s)) for s in steps] == [0.0, 1.0, 1.0]
    assert [engine._pool(10, gpus).min_size for gpus in (0.0, 0.5, 1.0)] == [2, 2, 1]
    shared = RayEngine(EngineConfig(name="ray", gpus_per_worker=0.25))
    assert shared._gpus_of(ScorerStep("holder", Holder())) == 0.25


def test_a_worker_takes_a_device_of_its_own(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = read_pairs(PANDALM_SAMPLE, limit=120)
    settings: dict[str, Any] = {
        "embedder": {"name": "static"},
        "store": None,
        "scorers": [{"type": "lengths"}, {"type": "holder", "steps": 40, "repeats": 1}],
    }
    expected = Pipeline(settings).run(pairs).scores
    # The driver has a GPU that its workers do not have.
    monkeypatch.setattr(devices, "choose_device", lambda *_: "cuda")
    there = Pipeline(settings | {"engine": {"name": "ray", "workers": 1}}).run(pairs).scores
    assert_frame_equal(there, expected, check_exact=True)


def test_a_device_that_was_asked_for_is_what_workers_are_told() -> None:
    step = ScorerStep("holder", Holder())
    found_here = Context(device="cuda", requested_device="auto")
    assert WorkerSettings.of(step, found_here).device == "auto"
    assert WorkerSettings.of(step, Context(device="cpu")).device == "cpu"
    assert WorkerSettings.of(step, found_here).context().device == devices.choose_device("auto")
