"""A draw from a dataset or a run, and its way back."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate import CurateError, Pairs, Pipeline
from curate.cli.app import app
from curate.cli.show_review import open_session
from curate.people.blind_review import BlindReview
from curate.people.drawn_tasks import draw_from_data, is_draw, load_draw
from curate.people.sampling import sample_folder
from curate.people.server import ReviewSession
from curate.people.tasks import RoutingChoice
from curate.people.verdict_log import VerdictLog
from curate.verdicts.files import read_verdicts
from tests.helpers import numbered_pairs, write_jsonl

PAIRS = 40


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [{"q": f"p{i}", "good": f"x{i}", "bad": f"y{i}"} for i in range(PAIRS)]
    return write_jsonl(tmp_path / "prefs.jsonl", rows)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    config = {"scorers": [{"type": "lengths"}], "output": {"report": False}, "store": None}
    Pipeline(config).run(Pairs(numbered_pairs(PAIRS)), output=Path("out"))
    return Path("out")


def called(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


MAPPING = ("--columns", "prompt=q,chosen=good,rejected=bad")


def printed(output: str) -> list[list[str]]:
    return [shlex.split(line) for line in output.splitlines() if line.startswith("  curate ")]


def test_a_dataset_is_drawn_from_directly(data: Path) -> None:
    done = called("route", "prefs.jsonl", "--random", "10", *MAPPING, "--limit", "30")
    assert done.exit_code == 0, done.output
    assert "10 of 30 pairs drawn: prefs-drawn" in done.output
    read = [*MAPPING, "--limit", "30"]
    assert printed(done.output) == [
        ["curate", "review", "prefs-drawn"],
        ["curate", "audit", "prefs.jsonl", *read, "--gold", "prefs-drawn"],
        ["curate", "init", "--data", "prefs.jsonl", *read],
        ["curate", "run", "pipeline.yaml", "--gold", "prefs-drawn"],
    ]
    draw = load_draw(Path("prefs-drawn"))
    order = pl.read_parquet("prefs-drawn/sample.parquet").filter("drawn").sort("order")
    assert draw.pairs["pair_id"].to_list() == order["pair_id"].to_list()
    tasks = json.loads(Path("prefs-drawn/tasks.json").read_text())
    assert [t["data"]["pair_id"] for t in tasks] == order["pair_id"].to_list()
    again = called("route", "prefs.jsonl", "--random", "10", *MAPPING, "--limit", "30")
    assert again.exception is not None  # an earlier draw is not replaced


def test_the_same_seed_draws_the_same_pairs_in_the_same_order(data: Path) -> None:
    pairs = Pairs(numbered_pairs(30))
    draws = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        choice = RoutingChoice(10, "pairs", sampling="random", seed=seed)
        draw_from_data(pairs, "p", (), Path(name), choice, False)
        draws.append(load_draw(Path(name)).pairs["pair_id"].to_list())
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]


@pytest.mark.parametrize("way", ["--budget", "--stratified"])
def test_what_needs_scores_needs_a_run(way: str, data: Path) -> None:
    done = called("route", "prefs.jsonl", way, "10", *MAPPING)
    assert isinstance(done.exception, CurateError)
    assert f"{way} needs the scores of a run" in done.exception.text()
    assert not Path("prefs-drawn").exists()


@pytest.mark.parametrize("option", ["--by=x", "--gains=g.json", "--per-prompt=2", "--kept-only"])
def test_a_draw_takes_no_option_of_the_most_urgent(option: str, data: Path) -> None:
    done = called("route", "prefs.jsonl", "--random", "5", option, *MAPPING)
    assert isinstance(done.exception, CurateError)
    assert option.partition("=")[0] in done.exception.text()


def test_a_run_is_not_read_in_another_way(run: Path) -> None:
    done = called("route", "out", "--random", "10", *MAPPING)
    assert "--columns" in done.exception.text()  # type: ignore[union-attr]


def test_a_draw_from_a_run(run: Path) -> None:
    done = called("route", "out", "--random", "10")
    assert printed(done.output)[-1] == shlex.split(
        "curate apply out --verdicts out-drawn --output out-reviewed"
    )
    alone = open_session(Path("out-drawn"), None, "ann")
    inside = open_session(run, Path("out-drawn"), "ann")
    for session in (alone, inside):
        assert isinstance(session.review, BlindReview)
        assert session.size == 10
    assert alone.review.log.path == Path("out-drawn/verdicts/ann.jsonl")
    assert inside.review.log.path == Path("out/verdicts/ann.jsonl")
    assert shlex.split(inside.commands[0])[2:] == [
        "out", "--gold", "out/verdicts/ann.jsonl", "--sample", "out-drawn",
    ]  # fmt: skip
    opened = open_session(run, None, "ann")
    assert isinstance(opened.review, ReviewSession)
    assert opened.commands == ("curate apply out --output out-reviewed",)
    assert sample_folder([Path("out-drawn")]) == Path("out-drawn")
    assert sample_folder([alone.review.log.path]) == Path("out-drawn")
    assert sample_folder([inside.review.log.path]) is None
    assert sample_folder([Path("out-drawn"), run]) is None


def test_a_draw_of_an_older_version_needs_its_run(run: Path) -> None:
    called("route", "out", "--random", "10")
    folder = Path("out-drawn")
    (folder / "drawn.parquet").unlink()
    sample = pl.read_parquet(folder / "sample.parquet").drop("order")
    sample.write_parquet(folder / "sample.parquet")
    with pytest.raises(CurateError, match="cannot read the sampled pairs"):
        load_draw(folder)
    draw = load_draw(folder, run)
    assert sorted(draw.pairs["pair_id"]) == sorted(sample.filter("drawn")["pair_id"])
    assert draw.pairs["pair_id"].equals(load_draw(folder, run).pairs["pair_id"])


def test_a_draw_from_other_data_is_refused_by_count(run: Path, tmp_path: Path) -> None:
    choice = RoutingChoice(10, "pairs", sampling="random")
    draw_from_data(Pairs(numbered_pairs(60)), "p", (), Path("other"), choice, False)
    drawn_ids = set(load_draw(Path("other")).pairs["pair_id"])
    there = len(drawn_ids & set(numbered_pairs(PAIRS)["pair_id"]))
    assert there < 10
    with pytest.raises(CurateError, match=f"found: +{there} of 10"):
        load_draw(Path("other"), run)


def test_verdicts_survive_a_new_draw(tmp_path: Path) -> None:
    folder = tmp_path / "drawn"
    for seed in (0, 1):
        choice = RoutingChoice(5, "pairs", sampling="random", seed=seed)
        draw_from_data(Pairs(numbered_pairs(30)), "p", (), folder, choice, seed > 0)
        log = VerdictLog(folder, "ann", blind=True)
        log.add(load_draw(folder).pairs["pair_id"][0], "keep")
        log.close()
    assert len(read_verdicts([folder])) == 2


DAMAGE: dict[str, Any] = {
    "sample.parquet": [b"", b"PAR1", b"{}"],
    "drawn.parquet": [b"", b"PAR1xxxxPAR1"],
    "route.json": [b'{"made_by": "curate", "media_folders": 3}', b'{"options": [1]}'],
}


@pytest.mark.parametrize(("name", "content"), [(n, c) for n in DAMAGE for c in DAMAGE[n]])
def test_a_damaged_draw_is_the_users_mistake(name: str, content: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "drawn"
    choice = RoutingChoice(5, "pairs", sampling="random")
    draw_from_data(Pairs(numbered_pairs(9)), "p", (), folder, choice, False)
    assert is_draw(folder)
    (folder / name).write_bytes(content)
    with pytest.raises(CurateError) as error:
        load_draw(folder)
    assert str(folder) in error.value.text()


@pytest.mark.parametrize("name", ["sample.parquet", "drawn.parquet"])
def test_a_table_without_its_columns_is_damaged(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "drawn"
    choice = RoutingChoice(5, "pairs", sampling="random")
    draw_from_data(Pairs(numbered_pairs(9)), "p", (), folder, choice, False)
    pl.DataFrame({"pair_id": ["x"], "drawn": ["maybe"]}).write_parquet(folder / name)
    with pytest.raises(CurateError):
        load_draw(folder)
