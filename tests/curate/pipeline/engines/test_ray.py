"""The same pipeline on a real local Ray cluster of two workers."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from curate import CurateError, Pairs, Pipeline, read_pairs
from curate.data.table import messages_text
from curate.models.embed import neighbours
from curate.pipeline.config import EngineConfig, PipelineConfig, parse_config
from curate.pipeline.engines import ray_blocks
from curate.pipeline.engines.ray import RayEngine
from curate.pipeline.engines.ray_parts import RayWorkers
from curate.pipeline.run_evidence import FileEvidence
from curate.pipeline.score_cache import ScoreCache
from curate.pipeline.scorer_step import ScorerStep, with_evidence
from curate.pipeline.scoring import PairScorer
from curate.steps.context import Context
from curate.steps.evidence import LabelEvidence
from tests.curate.plugin import Fused, Slow
from tests.helpers import PANDALM_SAMPLE, numbered_pairs
from tests.pictures import picture
from tests.scorers.test_media_health import with_images

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def config(store: Path, engine: Any) -> dict[str, Any]:
    return {
        "input": {"path": str(PANDALM_SAMPLE), "limit": 300},
        "embedder": {"name": "static"},
        "engine": engine,
        "store": str(store),
        "scorers": [
            {"type": "lengths"},
            {"type": "repetition"},
            {"type": "reward_margin", "repeats": 2, "steps": 60},
            {"type": "donod", "repeats": 2, "steps": 60},
            {"type": "mc_dropout", "features": "both"},
            {"type": "noise_score"},
            {"type": "label_em"},
            {"type": "knn_consensus"},
            {"type": "knn_diversity", "k": 5, "exact_below": 100},
            {"type": "relevance"},
            {"type": "duplicates"},
        ],
        "filters": [
            {"type": "ties"},
            {
                "type": "topsis",
                "keep": 0.7,
                "criteria": {"reward_margin.margin": "max", "knn_diversity.distance": "max"},
            },
        ],
    }


def run(store: Path, engine: Any) -> Any:
    return Pipeline(config(store, engine)).run(
        output=store.parent / f"{store.name}-run", overwrite=True
    )


def test_the_same_scores_and_the_same_pairs_on_both_engines(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An inverted file with the workers, though of so few rows all products would be cheaper.
    monkeypatch.setattr(neighbours, "_MAX_PROBED_SHARE", 1.0)
    local_run = run(tmp_path / "here", "local")
    there = run(tmp_path / "there", {"name": "ray", "workers": 2})
    assert there.kept["pair_id"].to_list() == local_run.kept["pair_id"].to_list()
    assert_frame_equal(there.scores, local_run.scores, check_exact=True)
    facts = {s.name: s.facts for s in there.steps}
    assert facts["embed"]["model"] == "static"
    assert facts["reward_margin"]["calibration"]["pairs"] > 0
    again = run(tmp_path / "there", {"name": "ray", "workers": 2})
    assert {s.name for s in again.steps if s.facts.get("cached")} == {
        "reward_margin", "donod", "mc_dropout", "noise_score", "label_em", "knn_consensus",
        "knn_diversity", "relevance", "duplicates",
    }  # fmt: skip
    cached_rows = {s.name: s.facts.get("rows_kept_from_earlier") for s in again.steps}
    assert cached_rows["repetition"] == len(local_run.scores)
    assert again.scores.equals(there.scores)


def test_evidence_and_judged_pairs_count_alike_on_both_engines(
    cluster: None, tmp_path: Path
) -> None:
    pairs = read_pairs(PANDALM_SAMPLE, limit=200)
    rng = np.random.default_rng(0)
    verdicts = [None if n >= 40 else "right" if n % 3 else "wrong" for n in range(len(pairs))]
    extra = [
        json.dumps({"rm": float(margin), "expert": verdict})
        for margin, verdict in zip(rng.normal(1.0, 1.0, len(pairs)), verdicts, strict=True)
    ]
    frame = pairs.frame.with_columns(extra=pl.Series(extra))
    evidence = ["relevance.margin", {"column": "extra.rm", "trust": "strong"}]
    scores = []
    for engine in ("local", {"name": "ray", "workers": 2}):
        settings = config(tmp_path / "store", engine) | {"filters": [], "store": None}
        settings["scorers"] = [{"type": "label_em", "evidence": evidence}, {"type": "relevance"}]
        settings |= {"gold": {"column": "extra.expert"}}
        scores.append(Pipeline(settings).run(Pairs(frame)).scores)
    assert_frame_equal(*scores, check_exact=True)
    assert "judged" in scores[1]["label_em.status"].to_list()


def test_evidence_travels_to_a_scorer_in_a_worker(cluster: None) -> None:
    pairs, margin = numbered_pairs(6), np.arange(6.0)
    steps = with_evidence([("scorers.0", ScorerStep("fused", Fused(evidence=["extra.m"])))])
    file = FileEvidence({"extra.m": margin})
    context = Context(evidence=LabelEvidence(verdicts=np.array([1, 0, -1, 0, 0, 1], dtype=np.int8)))
    engine = RayEngine(EngineConfig(name="ray", workers=2))
    cache = ScoreCache(None, Pairs(pairs), PipelineConfig())
    ((scores, _),) = PairScorer(pairs, context, cache, engine).score_all(steps, file)
    assert scores["fused.sum"].to_list() == margin.tolist()
    assert scores["fused.judged"].to_list() == [1, 0, -1, 0, 0, 1]


def test_a_worker_embeds_texts_that_are_no_part_of_a_pair(cluster: None, tmp_path: Path) -> None:
    evaluation_file = tmp_path / "evaluation.txt"
    evaluation_file.write_text(
        "Write a poem about the sea.\nList three kinds of tea.\n", encoding="utf-8"
    )
    result = []
    for engine in ("local", "ray"):
        settings = config(tmp_path / engine, engine) | {"filters": []}
        settings["scorers"] = [
            {"type": "contamination", "against": [str(evaluation_file)], "cosine": 0.5}
        ]
        result.append(Pipeline(settings).run().scores)
    assert result[0]["contamination.cosine"].null_count() == 0
    assert_frame_equal(*result, abs_tol=1e-5)


def test_a_worker_that_is_killed_costs_its_block_and_no_more(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curate.pipeline.scoring.ROW_BATCH", 1)
    killed: list[int] = []

    def kill_one() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not killed:
            for path in tmp_path.glob("*.pid"):
                os.kill(int(path.stem), signal.SIGKILL)
                killed.append(int(path.stem))
                break
            time.sleep(0.02)

    killer = threading.Thread(target=kill_one)
    killer.start()
    pairs = numbered_pairs(40)
    step = ScorerStep("slow", Slow(folder=str(tmp_path)))
    engine = RayEngine(EngineConfig(name="ray", workers=2))
    scores, report = PairScorer(pairs, Context(), None, engine).score(step)
    killer.join()
    assert scores["slow.characters"].to_list() == [len(f"good {i}") for i in range(40)]
    assert report.facts == {"rows": 40}
    assert len({path.stem for path in tmp_path.glob("*.pid")} - {str(killed[0])}) >= 2


def test_images_are_looked_at_where_they_are(cluster: None) -> None:
    pairs = with_images([{"bytes": picture()}], [{"bytes": b"no picture"}])
    config = {"engine": {"name": "ray", "workers": 1}, "store": None}
    scores = Pipeline(config | {"scorers": [{"type": "media_health"}]}).run(Pairs(pairs)).scores
    assert scores["media_health.status"].to_list() == ["ok", "no image"]


def test_a_mistake_that_a_worker_meets_is_told_as_here(cluster: None, tmp_path: Path) -> None:
    settings = config(tmp_path, {"name": "ray", "workers": 1})
    settings["embedder"] = {"name": "no-such/model"}
    with pytest.raises(CurateError, match="could not be loaded"):
        Pipeline(settings).run()


def test_settings() -> None:
    assert parse_config({"engine": "ray"}).engine.name == "ray"
    with pytest.raises(CurateError, match="engine ray"):
        parse_config({"engine": {"name": "local", "gpus_per_worker": 1}})
    with pytest.raises(CurateError, match="engine"):
        parse_config({"engine": "spark"})


def test_files_are_read_and_shards_made_by_workers(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    rows = read_pairs(str(PANDALM_SAMPLE), limit=300).frame.select(
        *(messages_text(c).alias(c) for c in ("prompt", "chosen", "rejected"))
    )
    for number in range(3):
        rows[number * 100 : (number + 1) * 100].write_ndjson(data / f"{number}.jsonl")
    messages: list[str] = []
    plain = RayWorkers.map

    def noted(self: RayWorkers, function: Any, *columns: Any) -> Any:
        messages.append(function.func.__name__)
        return plain(self, function, *columns)

    monkeypatch.setattr(RayWorkers, "map", noted)
    result = {}
    for engine in ("local", {"name": "ray", "workers": 2}):
        settings = {
            "input": {"path": str(data)},
            "engine": engine,
            "store": None,
            "scorers": [{"type": "lengths"}],
            "filters": [{"type": "quantile", "column": "lengths.chosen", "keep": 0.6}],
            "output": {"rows_per_shard": 50, "file_type": "jsonl", "report": False},
        }
        out = tmp_path / ("here" if engine == "local" else "there")
        Pipeline(settings).run(output=out)
        files = sorted(path for path in out.rglob("part-*"))
        result[out.name] = {str(path.relative_to(out)): rows_of(path) for path in files}
    assert result["there"] == result["here"]
    assert len(result["here"]) == 4 + 4 + 3
    assert sorted(messages) == ["_write_shard", "_write_shard", "_write_shard", "read_source"]


def test_rows_by_weight_are_the_same_on_both_engines(cluster: None, tmp_path: Path) -> None:
    pairs = read_pairs(str(PANDALM_SAMPLE), limit=200)
    cached_rows = {}
    for engine in ("local", {"name": "ray", "workers": 2}):
        settings = {
            "engine": engine,
            "store": None,
            "scorers": [{"type": "lengths"}],
            "filters": [{"type": "reweight", "column": "lengths.log_ratio", "ceiling": 3}],
            "output": {"rows_per_shard": 60, "copies": 2, "report": False},
        }
        out = tmp_path / ("here" if engine == "local" else "there")
        Pipeline(settings).run(pairs, output=out)
        weights = json.loads((out / "manifest.json").read_text())["output"]["weights"]
        shards = {path.name: rows_of(path) for path in (out / "kept").iterdir()}
        assert sum(map(len, shards.values())) == weights["rows"] > 60
        assert 0 < weights["undrawn"] < 200
        cached_rows[out.name] = shards
    assert cached_rows["there"] == cached_rows["here"]


def rows_of(path: Path) -> Any:
    """The rows of a shard, whatever its row groups are."""
    if path.suffix == ".jsonl":
        return path.read_text(encoding="utf-8")
    return pl.read_parquet(path).to_dicts()


def test_more_blocks_than_the_store_should_hold_go_by_windows(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_blocks, "WINDOW_BYTES", 1)
    rows = [{"prompt": f"p {i}", "chosen": f"a a {i}", "rejected": "b"} for i in range(5000)]
    config = {"scorers": [{"type": "repetition"}], "store": None}
    local_run, there = (
        Pipeline(config | {"engine": engine}).run(rows).scores
        for engine in ("local", {"name": "ray", "workers": 2})
    )
    assert_frame_equal(there, local_run)


def deadly(function: Any, folder: Path, deaths: int) -> Any:
    """The function in workers of which the first ones are killed while they make a shard."""

    def make_shard(*pieces: Any) -> Any:
        content = function(*pieces)
        for number in range(deaths):
            try:
                (folder / f"death-{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)
        return content

    return make_shard


@pytest.mark.parametrize("deaths", [1, 2, 1000])
def test_a_worker_lost_while_shards_are_written_leaves_a_whole_run_or_none(
    deaths: int, cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = read_pairs(PANDALM_SAMPLE, limit=200)
    settings = {
        "store": None,
        "scorers": [{"type": "lengths"}],
        "filters": [{"type": "quantile", "column": "lengths.chosen", "keep": 0.6}],
        "output": {"rows_per_shard": 30, "file_type": "jsonl", "report": False},
    }
    Pipeline(settings).run(pairs, output=tmp_path / "expected")
    (tmp_path / "deaths").mkdir()
    plain_map = RayWorkers.map

    def map_with_deaths(self: RayWorkers, function: Any, *columns: Any) -> Any:
        return plain_map(self, deadly(function, tmp_path / "deaths", deaths), *columns)

    monkeypatch.setattr(RayWorkers, "map", map_with_deaths)
    out = tmp_path / "out"
    pipeline = Pipeline(settings | {"engine": {"name": "ray", "workers": 2}})
    if deaths < 1000:
        pipeline.run(pairs, output=out)
        assert {p.name: p.read_bytes() for p in (out / "kept").iterdir()} == {
            p.name: p.read_bytes() for p in (tmp_path / "expected" / "kept").iterdir()
        }
        assert len(list((tmp_path / "deaths").iterdir())) == deaths
    else:
        with pytest.raises(CurateError, match="workers were lost") as error:
            pipeline.run(pairs, output=out)
        assert "Traceback" not in str(error.value)
        assert not out.exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"expected", "deaths", "out"}
