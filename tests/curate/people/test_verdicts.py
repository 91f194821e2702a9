"""Verdicts survive everything, and become shards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from curate import CurateError, Pairs, Pipeline
from curate.cli.app import app
from curate.people.apply import apply_verdicts, verdict_files
from curate.people.queue import ReviewQueue
from curate.people.server import ReviewSession, make_app
from curate.people.verdict_log import VerdictLog
from curate.report.run_view import load_view
from curate.steps.context import SilentProgress
from curate.write.manifest import RowCounts
from curate.write.run_files import RunFiles
from tests.helpers import pairs_of


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Ten pairs, the chosen answers of 1 to 10 characters; those above 6 are dropped."""
    rows = [{"prompt": f"p{i}", "chosen": "x" * (i + 1), "rejected": "yy"} for i in range(10)]
    config = {
        "scorers": [{"type": "lengths"}],
        "filters": [{"type": "threshold", "column": "lengths.chosen", "max": 6}],
        "output": {"report": False},
        "store": None,
    }
    Pipeline(config).run(Pairs(pairs_of(rows)), output=tmp_path / "run")
    return tmp_path / "run"


def ids(run: Path) -> list[str]:
    return RunFiles(run).scores()["pair_id"].to_list()


def test_a_log_opened_again_holds_all(tmp_path: Path) -> None:
    log = VerdictLog(tmp_path, "ann")
    for pair_id, verdict in (("a", "keep"), ("b", "flip"), ("a", "tie"), ("c", "drop")):
        log.add(pair_id, verdict)
    assert log.undo() == "c"
    again = VerdictLog(tmp_path, "ann")
    assert again.verdicts == {"b": "flip", "a": "tie"}
    assert again.undo() == "a"
    assert again.undo() == "b"
    assert again.undo() is None
    lines = (tmp_path / "verdicts" / "ann.jsonl").read_bytes().splitlines()
    assert len(lines) == 7


def test_a_line_that_was_cut_short_is_given_up_and_the_rest_stays(tmp_path: Path) -> None:
    log = VerdictLog(tmp_path, "ann")
    log.add("a", "keep")
    log.add("b", "keep")
    log.close()
    path = tmp_path / "verdicts" / "ann.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    again = VerdictLog(tmp_path, "ann")
    assert again.verdicts == {"a": "keep"}
    again.add("b", "flip")
    again.close()
    assert [json.loads(x)["pair_id"] for x in path.read_text().splitlines()] == ["a", "b"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65])
def test_names_that_are_no_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="invalid reviewer name"):
        VerdictLog(tmp_path, name)


def test_the_queue_sorts_filters_and_finds(run: Path) -> None:
    queue = ReviewQueue(load_view(run))
    queue.arrange("lengths.chosen", True, "kept", "")
    lengths = [queue.pair(at)["scores"]["lengths.chosen"] for at in range(len(queue))]
    assert lengths == [6, 5, 4, 3, 2, 1]
    queue.arrange("lengths.chosen", False, "dropped", "XXXXXXXXX")
    assert [queue.pair(at)["scores"]["lengths.chosen"] for at in range(len(queue))] == [9, 10]
    with pytest.raises(CurateError, match="did you mean"):
        queue.arrange("lengths.chosn", True, "all", "")
    with pytest.raises(CurateError, match="no such fate"):
        queue.arrange("", True, "lost", "")


def client_of(run: Path, token: str = "secret") -> TestClient:
    return TestClient(make_app(ReviewSession(load_view(run), VerdictLog(run, "ann")), token))


def test_nothing_without_the_token(run: Path) -> None:
    client = client_of(run)
    assert client.get("/").status_code == 403
    assert client.get("/?token=wrong").status_code == 403
    assert client.get("/api/state").status_code == 403
    assert client.post("/api/verdict", json={}).status_code == 403
    assert client.get("/?token=secret").status_code == 200
    answer = client.get("/api/state")
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_two_reviews_at_a_time_do_not_take_each_others_cookie(run: Path) -> None:
    first, second = client_of(run, "one"), client_of(run, "two")
    first.get("/?token=one")
    second.cookies = first.cookies  # a browser keeps one jar for all ports
    assert second.get("/api/state").status_code == 403
    second.get("/?token=two")
    assert second.get("/api/state").status_code == 200
    assert first.get("/api/state").status_code == 200


def test_judging_moves_on_and_undo_comes_back(run: Path) -> None:
    client = client_of(run)
    client.get("/?token=secret")
    shown_ids = []
    state: dict[str, Any] = client.get("/api/state").json()
    for verdict in ("keep", "flip", "drop"):
        shown_ids.append(state["pair"]["id"])
        body = {"pair_id": state["pair"]["id"], "verdict": verdict}
        state = client.post("/api/verdict", json=body).json()
    assert (state["done"], state["total"]) == (3, 10)
    assert state["pair"]["id"] not in shown_ids
    back = client.post("/api/undo", json={}).json()
    assert (back["pair"]["id"], back["done"]) == (shown_ids[2], 2)
    wrong = client.post("/api/verdict", json={"pair_id": shown_ids[2], "verdict": "maybe"})
    assert wrong.status_code == 400
    assert "expected: keep, flip" in wrong.json()["error"]
    one = client.post(
        "/api/arrange", json={"sort": "", "fate": "all", "search": "xxxxxxxxxx"}
    ).json()
    assert (one["total"], one["pair"]["chosen_text"]) == (1, "x" * 10)
    end = client.post("/api/verdict", json={"pair_id": one["pair"]["id"], "verdict": "skip"}).json()
    assert end["pair"] is None
    assert VerdictLog(run, "ann").verdicts == {
        shown_ids[0]: "keep",
        shown_ids[1]: "flip",
        one["pair"]["id"]: "skip",
    }


def test_verdicts_make_the_shards_anew(run: Path, tmp_path: Path) -> None:
    pair_ids = ids(run)
    ann, bob = VerdictLog(run, "ann"), VerdictLog(run, "bob")
    for log in (ann, bob):
        log.add(pair_ids[0], "flip")
        log.add(pair_ids[9], "keep")  # a filter had dropped it
        log.add(pair_ids[1], "drop")
        log.add(pair_ids[2], "tie")
    ann.add(pair_ids[3], "drop")
    bob.add(pair_ids[3], "keep")  # no majority
    ann.add(pair_ids[4], "skip")
    out = tmp_path / "new"
    result, _ = apply_verdicts(run, verdict_files(run), out, False, SilentProgress())
    kept_pairs = result.kept.with_columns(at=pl.col("pair_id").replace_strict(pair_ids, range(10)))
    assert sorted(kept_pairs["at"].to_list()) == [0, 3, 4, 5, 9]
    flipped = kept_pairs.row(by_predicate=pl.col("at") == 0, named=True)
    assert flipped["chosen"][0]["content"] == "yy"
    assert json.loads(flipped["extra"])["flipped"] is True
    reasons = dict(result.dropped.select("pair_id", "drop_reason").rows())
    assert reasons[pair_ids[1]] == "reviewers say drop"
    assert reasons[pair_ids[2]] == "reviewers say tie"
    again = RunFiles(out)
    assert again.manifest.rows == RowCounts(10, 5, 5)
    assert again.manifest.steps[-2].name == "review"
    assert again.scores().columns == RunFiles(run).scores().columns
    assert RunFiles(run).manifest.rows.rows_kept == 6  # the run stays as it was


def test_commands(run: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "new")
    none = CliRunner().invoke(app, ["apply", str(run), "-o", out])
    assert "there are no verdicts" in str(none.exception)
    log = VerdictLog(run, "ann")
    log.add(ids(run)[0], "drop")
    done = CliRunner().invoke(app, ["apply", str(run), "-o", out])
    assert done.exit_code == 0, done.output
    assert "pairs decided by reviewers: 1 drop" in done.output
    merged = CliRunner().invoke(
        app, ["merge", str(run), str(verdict_files(run)[0]), "-o", str(tmp_path / "m")]
    )
    assert "1 drop" in merged.output
