"""Ids of repeated contents stay with their rows when rows move."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import Pipeline
from curate.cli.app import main
from curate.data.table import fingerprint
from curate.pipeline.config import SourceConfig
from curate.pipeline.mixture import read_mixture
from curate.read import repeated_ids
from curate.read.pairs import Pairs, collect_pairs, read_pairs, stream_pairs
from curate.steps.context import SilentProgress
from curate.store.workspace import Workspace
from tests.robustness.bad_inputs import lines

COLUMNS = {"prompt": "p", "first": "a", "second": "b", "label": "win", "strength": "s"}


def _rows(count: int = 60) -> list[dict[str, Any]]:
    """Twelve contents, each several times: with other labels, strengths or notes, and identical."""
    return [
        {"p": f"q{i % 4}", "a": f"x{i % 3}", "b": "y", "win": 1 + i % 2, "s": i % 3, "note": i % 5}
        for i in range(count)
    ]


def _by_id(pairs: Pairs) -> list[str]:
    frame = pairs.frame.drop("source").sort("pair_id")
    return [str(row) for row in frame.iter_rows()]


def _read(rows: list[dict[str, Any]], **more: Any) -> Pairs:
    return read_pairs(rows, format="columns", columns=COLUMNS, **more)


@pytest.mark.parametrize("seed", range(4))
def test_shuffled_rows_keep_their_ids(seed: int) -> None:
    rows = _rows()
    shuffled = random.Random(seed).sample(rows, len(rows))
    first, second = _read(rows), _read(shuffled)
    assert _by_id(first) == _by_id(second)
    assert first.frame["pair_id"].n_unique() == len(rows)
    base = first.frame["pair_id"].str.slice(0, 32).value_counts(name="n")["n"].to_list()
    numbers = first.frame["pair_id"].str.slice(33).replace("", "0").cast(pl.Int64)
    assert numbers.max() == max(base) - 1


def test_more_than_ten_of_one_content() -> None:
    rows = [{"p": "q", "a": "x", "b": "y", "win": 1, "s": 0, "note": i} for i in range(25)]
    assert _by_id(_read(rows)) == _by_id(_read(rows[::-1]))


def test_ids_of_the_data_stay() -> None:
    plain = _read(_rows(3)[:1] * 2)
    own = str(plain.frame["pair_id"][0])
    rows = [{**row, "pair_id": own if i == 2 else None} for i, row in enumerate(_rows(1) * 4)]
    rows[0]["note"], rows[3]["note"] = "b", "a"
    ids = [_read(given).frame.sort("extra")["pair_id"].to_list() for given in (rows, rows[:3])]
    assert own in ids[0]
    assert _by_id(_read(rows)) == _by_id(_read([rows[3], rows[1], rows[2], rows[0]]))


def test_in_files_as_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(_rows()))
    (tmp_path / "work").mkdir()
    given = {"path": str(tmp_path / "a.jsonl"), "format": "columns", "columns": COLUMNS}
    memory = read_pairs(**given)
    monkeypatch.setattr(repeated_ids, "BATCH_ROWS", 7)
    places: dict[str, Path] = {}
    found = collect_pairs(stream_pairs(**given), Workspace(tmp_path / "work"), places)
    assert found.frame.equals(memory.frame)
    assert places["frame"].is_file()
    assert len(list((tmp_path / "work").glob("*pairs*"))) == 1


def test_rows_of_distinct_contents_are_left_as_they_are(tmp_path: Path) -> None:
    rows = [{**row, "p": str(i)} for i, row in enumerate(_rows())]
    (tmp_path / "a.jsonl").write_bytes(lines(rows))
    parts = list(stream_pairs(str(tmp_path / "a.jsonl"), format="columns", columns=COLUMNS))
    frame = collect_pairs(iter(parts), Workspace()).frame
    assert frame.equals(pl.concat(part.frame for part in parts))


@pytest.mark.parametrize("share", [1.0, 2.0])
def test_a_mixture_keeps_them_too(share: float, tmp_path: Path) -> None:
    def mixed(rows: list[dict[str, Any]]) -> list[str]:
        sources = []
        for name, some in (("a", rows), ("b", rows[:30])):
            (tmp_path / f"{name}.jsonl").write_bytes(lines(some))
            place = {"path": str(tmp_path / f"{name}.jsonl"), "format": "columns"}
            sources.append({"name": name, "share": share, "columns": COLUMNS, **place})
        given = [SourceConfig.model_validate(source) for source in sources]
        pairs, _ = read_mixture(given, 0, SilentProgress(), Workspace())
        return [str(row) for row in pairs.frame.sort("pair_id").iter_rows()]

    rows = _rows()
    shuffled = [*random.Random(1).sample(rows[:30], 30), *rows[30:]]
    assert mixed(rows) == mixed(shuffled)


def test_a_run_can_be_exported_to_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_bytes(lines(_rows()[::-1]))
    config = {
        "input": {"path": "a.jsonl", "format": "columns", "columns": COLUMNS},
        "scorers": [{"type": "lengths"}],
        "filters": [],
        "store": None,
    }
    result = Pipeline(config).run(output="out")
    assert fingerprint(read_pairs(**config["input"]).frame) == fingerprint(
        pl.DataFrame(result.kept)[list(result.kept.columns)]
    )
    monkeypatch.setattr("sys.argv", ["curate", "export", "out", "--to", "source", "-o", "again"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert len(read_pairs("again/kept", format="columns", columns=COLUMNS)) == 60
