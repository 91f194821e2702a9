"""A run whose files are cut, missing, changed or foreign is refused by every command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from curate import CurateError, Pipeline
from curate.people.apply import apply_verdicts
from curate.people.merge import merge_files
from curate.people.route import RoutingChoice, route_pairs
from curate.report.build import write_report
from curate.report.compare import compare_runs
from curate.report.run_view import load_view
from curate.steps.context import SilentProgress
from curate.write.export import ExportTarget, export_pairs
from curate.write.push import push_folder
from curate.write.source_rows import export_source
from tests.helpers import trl_rows, write_jsonl

Command = Callable[[Path, Path], object]


@pytest.fixture(scope="module")
def intact_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with several shards."""
    folder = tmp_path_factory.mktemp("run")
    write_jsonl(folder / "a.jsonl", trl_rows(60))
    config = {
        "input": {"path": str(folder / "a.jsonl")},
        "scorers": [{"type": "lengths"}],
        "filters": [{"type": "quantile", "column": "lengths.chosen", "keep": 0.7}],
        "output": {"rows_per_shard": 15, "report": False},
        "store": None,
    }
    Pipeline(config).run(output=folder / "out")
    return folder / "out"


def _verdicts(tmp: Path, run: Path) -> list[Path]:
    import polars as pl

    ids = pl.read_parquet(run.parent.parent / "ids.parquet")["pair_id"].to_list()
    path = tmp / "said.jsonl"
    path.write_text(json.dumps({"pair_id": ids[0], "reviewer": "me", "verdict": "keep"}) + "\n")
    return [path]


COMMANDS: dict[str, Command] = {
    "export": lambda run, tmp: export_pairs(run, tmp / "e", ExportTarget()),
    "export to source": lambda run, tmp: export_source(
        run, tmp / "s", ExportTarget(format="source")
    ),
    "push": lambda run, tmp: push_folder(run, "a/b", ExportTarget(), dry_run=True),
    "report": lambda run, tmp: write_report(run, tmp / "r.html"),
    "compare": lambda run, tmp: compare_runs(run, run),
    "review": lambda run, tmp: load_view(run),
    "route": lambda run, tmp: route_pairs(
        run, tmp / "t", RoutingChoice(3, "pairs", ["lengths.chosen"]), False
    ),
    "merge": lambda run, tmp: merge_files(
        str(run), _verdicts(tmp, run), tmp / "m", False, SilentProgress()
    ),
    "apply": lambda run, tmp: apply_verdicts(
        run, _verdicts(tmp, run), tmp / "a", False, SilentProgress()
    ),
}


def _shard(run: Path, folder: str) -> Path:
    return sorted((run / folder).glob("*.parquet"))[0]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _edit(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        manifest = json.loads((run / "manifest.json").read_text())
        change(manifest)
        (run / "manifest.json").write_text(json.dumps(manifest))

    return damage


def _add_foreign(run: Path) -> None:
    shutil.copy(_shard(run, "kept"), run / "kept" / "part-99999.parquet")


def _swap_shards(run: Path) -> None:
    first, second = sorted((run / "pairs").glob("*.parquet"))[:2]
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)


def _make_folder(run: Path) -> None:
    (run / "scores.parquet").unlink()
    (run / "scores.parquet").mkdir()


FOLDERS = ("kept", "pairs", "dropped")
DAMAGES: dict[str, Callable[[Path], object]] = {
    **{f"{f} shard missing": lambda r, f=f: _shard(r, f).unlink() for f in FOLDERS},
    **{f"{f} shard cut": lambda r, f=f: _cut(_shard(r, f)) for f in FOLDERS},
    **{f"{f} shard changed": lambda r, f=f: _flip(_shard(r, f)) for f in FOLDERS},
    **{f"{f} shard empty": lambda r, f=f: _shard(r, f).write_bytes(b"") for f in FOLDERS},
    **{f"{f} folder missing": lambda r, f=f: shutil.rmtree(r / f) for f in FOLDERS},
    "scores missing": lambda r: (r / "scores.parquet").unlink(),
    "scores cut": lambda r: _cut(r / "scores.parquet"),
    "scores changed": lambda r: _flip(r / "scores.parquet"),
    "rejected missing": lambda r: (r / "rejected_rows.parquet").unlink(),
    "rejected a text": lambda r: (r / "rejected_rows.parquet").write_text("x"),
    "a foreign shard": _add_foreign,
    "shards exchanged": _swap_shards,
    "manifest missing": lambda r: (r / "manifest.json").unlink(),
    "manifest cut": lambda r: _cut(r / "manifest.json"),
    "manifest empty": lambda r: (r / "manifest.json").write_text(""),
    "manifest a list": lambda r: (r / "manifest.json").write_text("[]"),
    "manifest of an app": lambda r: (r / "manifest.json").write_text('{"name": "app"}'),
    "manifest binary": lambda r: (r / "manifest.json").write_bytes(b"\xff\xfe\x00"),
    "manifest without rows": _edit(lambda m: m.pop("rows")),
    "manifest without output": _edit(lambda m: m.pop("output")),
    "manifest without config": _edit(lambda m: m.pop("config")),
    "manifest without its files": _edit(lambda m: m.update(files_written={"kept/x": 3})),
    "manifest with rows as text": _edit(lambda m: m.update(rows="many")),
    "manifest of another output": _edit(lambda m: m.update(output="trl")),
    "a folder in place of a file": _make_folder,
    "manifest that lists no file": _edit(lambda m: m.pop("files_written")),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_refused(
    damage: str, command: str, intact_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "w" / "out"
    shutil.copytree(intact_run, run)
    shutil.copy(intact_run / "scores.parquet", tmp_path / "ids.parquet")
    DAMAGES[damage](run)
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(CurateError) as caught:
        COMMANDS[command](run, work)
    assert caught.value.found or caught.value.expected
    remaining = [p.name for p in work.iterdir() if p.name != "said.jsonl"]
    assert remaining == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_whole_run_is_read(command: str, intact_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "w" / "out"
    shutil.copytree(intact_run, run)
    shutil.copy(intact_run / "scores.parquet", tmp_path / "ids.parquet")
    work = tmp_path / "work"
    work.mkdir()
    COMMANDS[command](run, work)


def test_pages_and_verdicts_may_be_added_to_a_run(intact_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "out"
    shutil.copytree(intact_run, run)
    write_report(run, None)
    (run / "verdicts").mkdir()
    (run / "verdicts" / "me.jsonl").write_text("")
    (run / "notes.txt").write_text("mine")
    assert export_pairs(run, tmp_path / "e", ExportTarget()).pairs == 42
