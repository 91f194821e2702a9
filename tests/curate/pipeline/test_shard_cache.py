from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate import Pipeline
from curate.pipeline import read_cache
from curate.write.run_files import RunFiles
from tests.helpers import write_jsonl


@pytest.fixture(autouse=True)
def _few_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_cache, "MIN_CACHED_PAIRS", 2)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [
        {"prompt": f"p {i}", "chosen": "good " * (i + 1), "rejected": f"bad {i}"} for i in range(8)
    ]
    return write_jsonl(tmp_path / "data.jsonl", rows)


def run(data: Path, least: float = 20, **output: Any) -> dict[Path, int]:
    """The run's shards, and which file of the disk each one is."""
    config = {
        "input": {"path": str(data)},
        "store": str(data.parent / "store"),
        "scorers": [{"type": "lengths"}],
        "filters": [{"type": "expression", "keep": f"`lengths.chosen` >= {least}"}],
        "output": {"report": False, **output},
    }
    folder = data.parent / "out"
    Pipeline(config).run(output=folder, overwrite=True)
    RunFiles(folder)  # checks every file against the manifest
    shards = [p for f in ("kept", "pairs", "dropped") for p in (folder / f).rglob("part-*")]
    return {p.relative_to(folder): p.stat().st_ino for p in shards}


def test_the_same_run_links_its_shards(data: Path) -> None:
    first, again = run(data), run(data)
    assert len(first) == 3
    assert first == again
    written = json.loads((data.parent / "out" / "manifest.json").read_text())["steps"][-1]
    assert written["facts"] == {"cached": True}


@pytest.mark.parametrize("change", ["filter", "form", "size", "split", "data"])
def test_whatever_shards_depend_on_is_written_anew(data: Path, change: str) -> None:
    first = run(data)
    if change == "data":
        data.write_text(data.read_text().replace("bad 7", "bad 8"))
    again = {
        "filter": lambda: run(data, least=30),
        "form": lambda: run(data, format="pairs"),
        "size": lambda: run(data, rows_per_shard=3),
        "split": lambda: run(data, splits={"train": 0.5, "test": 0.5}),
        "data": lambda: run(data),
    }[change]()
    same = [path for path, number in again.items() if first.get(path) == number]
    assert not same
    kept_texts = [
        text for frame in RunFiles(data.parent / "out").kept_batches() for text in frame["pair_id"]
    ]
    assert len(kept_texts) == (8 - 5 if change == "filter" else 8 - 3)


def test_a_shard_that_somebody_changed_is_not_taken(data: Path) -> None:
    run(data)
    shard = next((data.parent / "out" / "kept").glob("part-*"))
    before = shard.read_bytes()
    shard.write_bytes(before.replace(b"good", b"evil"))
    run(data)
    assert next((data.parent / "out" / "kept").glob("part-*")).read_bytes() == before


def test_a_filter_that_changes_pairs_is_seen(data: Path) -> None:
    def flipped(below: int) -> tuple[list[str], dict[Path, int]]:
        config = {
            "input": {"path": str(data)},
            "store": str(data.parent / "store"),
            "scorers": [{"type": "lengths"}],
            "filters": [{"type": "flip_where", "condition": f"`lengths.chosen` < {below}"}],
            "output": {"report": False},
        }
        result = Pipeline(config).run(output=data.parent / "out", overwrite=True)
        texts = [row[0]["content"] for row in result.kept["chosen"].to_list()]
        shards = (data.parent / "out" / "kept").rglob("part-*")
        return texts, {p: p.stat().st_ino for p in shards}

    (one, first), (two, second) = flipped(20), flipped(30)
    assert one != two
    assert first != second
    assert flipped(30) == (two, second)
