"""A second run computes only what depends on something that has changed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate import CurateError, Pairs, Pipeline
from curate.cli.app import app
from curate.data.hashes import row_keys
from curate.pipeline.config import PipelineConfig
from curate.pipeline.score_cache import ScoreCache
from curate.store.prune import list_entries, prune_store
from curate.store.store import Store
from tests.helpers import numbered_pairs, swapped


def run(store: Path, pairs: pl.DataFrame, **changes: Any) -> Any:
    scorers = changes.pop("scorers", [{"type": "knn_diversity", "k": 3}, {"type": "label_em"}])
    config = {"scorers": scorers, "store": str(store), **changes}
    return Pipeline(config).run(Pairs(pairs))


def cached_steps(result: Any) -> dict[str, bool]:
    """Which steps came from the store."""
    return {s.name: bool(s.facts.get("cached")) for s in result.steps if s.kind != "filter"}


def test_a_digest_depends_on_every_value_and_on_nothing_else() -> None:
    pairs = numbered_pairs(10)
    same = pl.concat([pairs[:4], pairs[4:]])
    keys = row_keys(pairs).tolist()
    assert len(set(keys)) == 10
    assert keys == row_keys(same).tolist() == row_keys(pairs.clone()).tolist()
    other_frames = [
        swapped(pairs),
        pairs.reverse(),
        pairs.with_columns(source=pl.lit("other")),
        pairs.with_columns(strength=pl.lit(1.0, dtype=pl.Float32)),
        pairs.head(9),
    ]
    assert len({row_keys(frame).tobytes() for frame in [pairs, *other_frames]}) == 6


@pytest.mark.slow
def test_a_rerun_takes_all_and_embeds_nothing(tmp_path: Path) -> None:
    pairs = numbered_pairs(40)
    first = run(tmp_path, pairs)
    again = run(tmp_path, pairs)
    assert cached_steps(first) == dict.fromkeys(
        ("read", "embed", "knn_diversity", "label_em"), False
    )
    assert cached_steps(again) == {"read": False, "knn_diversity": True, "label_em": True}
    assert again.scores.equals(first.scores)
    assert again.warnings == first.warnings
    facts = [{s.name: s.facts for s in r.steps if s.kind == "score"} for r in (first, again)]
    for name, facts_of_step in facts[0].items():
        assert facts_of_step == {k: v for k, v in facts[1][name].items() if k != "cached"}


@pytest.mark.slow
def test_what_changes_is_computed_and_the_rest_is_taken(tmp_path: Path) -> None:
    pairs = numbered_pairs(40)
    run(tmp_path, pairs)
    other = [{"type": "knn_diversity", "k": 4}, {"type": "label_em", "name": "em"}]
    facts_of_step = cached_steps(run(tmp_path, pairs, scorers=other))
    assert (facts_of_step["knn_diversity"], facts_of_step["em"]) == (False, True)
    for changed in (swapped(pairs), pairs.head(39)):
        assert not cached_steps(run(tmp_path, changed))["label_em"]
    assert not cached_steps(run(tmp_path, pairs, seed=1))["label_em"]
    shorter = run(tmp_path, pairs, embedder={"max_tokens": 8})
    assert not cached_steps(shorter)["label_em"]


@pytest.mark.slow
def test_a_broken_entry_is_computed_again(tmp_path: Path) -> None:
    pairs = numbered_pairs(40)
    first = run(tmp_path, pairs)
    for path in (tmp_path / "scores").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    again = run(tmp_path, pairs)
    assert not cached_steps(again)["label_em"]
    assert again.scores.equals(first.scores)


def test_what_depends_on_more_than_the_pairs_is_not_kept(tmp_path: Path) -> None:
    pairs = numbered_pairs(4)
    hub = PipelineConfig(embedder={"name": "owner/on-the-hub"})
    cache = ScoreCache(Store(tmp_path), Pairs(pairs), hub)
    plan = Pipeline({"scorers": [{"type": "lengths"}, {"type": "label_em"}]}).plan
    assert [cache.key(step, "cpu") for step in plan.scorers] == [None, None]
    local = ScoreCache(Store(tmp_path), Pairs(pairs), PipelineConfig())
    assert local.key(plan.scorers[1], "cpu") is not None
    assert local.key(plan.scorers[1], "cpu") != local.key(plan.scorers[1], "cuda")
    lora = Pipeline({"scorers": [{"type": "crm", "head": "lora", "model": "m"}]}).plan
    assert local.key(lora.scorers[0], "cpu") is None
    assert ScoreCache(None, Pairs(pairs), PipelineConfig()).key(plan.scorers[1], "cpu") is None


@pytest.mark.slow
def test_hidden_states_depend_on_how_the_model_is_run(tmp_path: Path, tiny: Path) -> None:
    def key(**inference: Any) -> str | None:
        embedder = {"name": str(tiny), "pooling": "last_token"}
        config = PipelineConfig(embedder=embedder, inference=inference)
        pairs = Pairs(numbered_pairs(4))
        return ScoreCache(Store(tmp_path), pairs, config).key_of([], embedded=True)

    assert key() == key() is not None
    assert len({key(), key(dtype="bfloat16"), key(max_prompt_tokens=64)}) == 3


def entry(root: Path, name: str, size: int, days: float) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    at = time.time() - days * 86_400
    os.utime(path, (at, at))
    return path


def test_pruning_by_age_and_size(tmp_path: Path) -> None:
    old = entry(tmp_path, "vectors/model/a.arrows", 1000, days=40)
    young = entry(tmp_path, "scores/b.scores", 600, days=1)
    newest = entry(tmp_path, "rows/c.sqlite", 500, days=0)
    log = entry(tmp_path, "rows/c.sqlite-wal", 100, days=0)
    other = entry(tmp_path, "notes.txt", 10, days=99)
    store = Store(tmp_path)
    assert [e.size for e in list_entries(store)] == [1000, 600, 600]
    removed, remaining = prune_store(store, 30, None)
    assert [e.path for e in removed] == [old]
    assert len(remaining) == 2
    prune_store(store, None, 700)
    assert not young.exists()
    assert newest.exists()
    prune_store(store, None, 0)
    assert not log.exists()
    assert other.exists()


def test_commands(tmp_path: Path) -> None:
    entry(tmp_path, "vectors/model/a.arrows", 2_000_000, days=40)
    output = CliRunner().invoke(app, ["cache", "--store", str(tmp_path)])
    assert "vectors" in output.output
    assert "2.0" in output.output
    unsaid = CliRunner().invoke(app, ["cache", "--prune", "--store", str(tmp_path)])
    assert isinstance(unsaid.exception, CurateError)
    done = CliRunner().invoke(
        app, ["cache", "--prune", "--max-size", "0", "--store", str(tmp_path)]
    )
    assert "removed 1 entries" in done.output
