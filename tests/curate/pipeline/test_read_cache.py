from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import Pipeline
from curate.pipeline import read_cache
from curate.pipeline.result import Result
from tests.helpers import write_jsonl


@pytest.fixture(autouse=True)
def _few_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_cache, "MIN_CACHED_PAIRS", 2)


def rows(count: int = 6) -> list[dict[str, str]]:
    return [
        {"prompt": f"p {i}", "chosen": f"good {i}", "rejected": f"bad {i}"} for i in range(count)
    ]


def run(folder: Path, **more: Any) -> Result:
    """A run of data.jsonl, with a malformed row that is listed."""
    settings = {"path": str(folder / "data.jsonl"), "on_error": "skip", **more}
    config = {"input": settings, "store": str(folder / "store"), "scorers": [{"type": "lengths"}]}
    return Pipeline(config).run(output=folder / "out", overwrite=True)


def cached(result: Result) -> bool:
    return bool(result.steps[0].facts.get("cached"))


def test_a_second_run_takes_the_table_and_gives_the_same(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "data.jsonl", [*rows(), "no json"])
    first, again = run(tmp_path), run(tmp_path)
    assert (cached(first), cached(again)) == (False, True)
    assert len(again.rejected) == 1
    for name in ("kept", "scores", "rejected"):
        assert getattr(first, name).equals(getattr(again, name)), name
    assert first.steps[0].warnings == again.steps[0].warnings
    scores_before = (tmp_path / "out" / "scores.parquet").read_bytes()
    assert pl.read_parquet(scores_before)["file"].to_list() == ["data.jsonl"] * 6


def test_any_change_of_file_or_settings_is_read_anew(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "data.jsonl", rows())
    run(tmp_path)
    assert not cached(run(tmp_path, limit=3))
    before = path.stat()
    changed = path.read_text().replace("good 0", "good 9")
    path.write_text(changed)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as long, and as old
    again = run(tmp_path)
    assert not cached(again)
    assert again.kept["chosen"][0][0]["content"] == "good 9"


def test_a_damaged_table_is_read_anew_and_told(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "data.jsonl", rows())
    run(tmp_path)
    (table,) = (tmp_path / "store" / "pairs").glob("*.frame")
    with table.open("r+b") as file:
        file.seek(100)
        file.write(b"xxxx")
    again = run(tmp_path)
    assert not cached(again)
    assert any("damaged cache entries" in w for step in again.steps for w in step.warnings)
    assert cached(run(tmp_path))


def test_a_file_beside_the_data_is_told_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    write_jsonl(folder / "a.jsonl", rows())
    config = {
        "input": {"path": str(folder)},
        "store": str(tmp_path / "store"),
        "scorers": [{"type": "lengths"}],
    }
    Pipeline(config).run(output=tmp_path / "out")
    (folder / "other.xyz").write_text("what is this")
    again = Pipeline(config).run(output=tmp_path / "out", overwrite=True)
    assert any("other.xyz" in note for note in again.steps[0].warnings)


def test_pairs_with_media_are_not_kept(tmp_path: Path) -> None:
    with_images = [{**row, "images": ["a.png"]} for row in rows()]
    write_jsonl(tmp_path / "data.jsonl", with_images)
    config = {
        "input": {"path": str(tmp_path / "data.jsonl")},
        "store": str(tmp_path / "store"),
        "output": {"allow_loss": True},
    }
    for _ in range(2):
        result = Pipeline(config).run(output=tmp_path / "out", overwrite=True)
        assert not cached(result)


def test_small_inputs_and_no_store_keep_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_cache, "MIN_CACHED_PAIRS", 7)
    write_jsonl(tmp_path / "data.jsonl", rows())
    run(tmp_path)
    assert not (tmp_path / "store" / "pairs").exists()
    config = {"input": {"path": str(tmp_path / "data.jsonl")}, "store": None}
    assert not cached(Pipeline(config).run(output=tmp_path / "out2"))
