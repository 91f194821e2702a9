"""Two people judge one run at once, and a cache that nobody may write costs no run."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from curate import Pairs, Pipeline
from curate.people.apply import apply_verdicts, verdict_files
from curate.people.server import ReviewSession, make_app
from curate.people.verdict_log import VerdictLog
from curate.report.run_view import load_view
from curate.steps.context import SilentProgress
from curate.verdicts.files import read_verdicts
from tests.curate.store.test_store import run_with
from tests.curate.write.test_run_folder import mounted
from tests.helpers import numbered_pairs

PAIRS, ROUNDS = 40, 5
CHOICES = {"ann": "keep", "bob": "flip"}


def test_two_reviewers_at_once_lose_no_verdict(tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = {"scorers": [{"type": "lengths"}], "output": {"report": False}, "store": None}
    Pipeline(config).run(Pairs(numbered_pairs(PAIRS)), output=run)
    ids = load_view(run).frame["pair_id"].to_list()
    clients = {}
    for name in CHOICES:
        client = TestClient(make_app(ReviewSession(load_view(run), VerdictLog(run, name)), "token"))
        assert client.get("/", params={"token": "token"}).status_code == 200
        clients[name] = client

    def judge(job: tuple[str, int]) -> int:
        name, number = job
        body = {"pair_id": ids[number % PAIRS], "verdict": CHOICES[name], "note": ""}
        return clients[name].post("/api/verdict", json=body).status_code

    jobs = [(name, number) for number in range(PAIRS * ROUNDS) for name in CHOICES]
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(judge, jobs)) == {200}
    for name, choice in CHOICES.items():
        lines = (run / "verdicts" / f"{name}.jsonl").read_bytes().splitlines()
        assert len(lines) == PAIRS * ROUNDS
        assert {json.loads(line)["verdict"] for line in lines} == {choice}
    verdicts = read_verdicts(verdict_files(run))
    assert len(verdicts) == PAIRS * len(CHOICES)
    # One against one decides nothing: every pair stays as the run left it.
    result, _ = apply_verdicts(run, verdict_files(run), tmp_path / "new", False, SilentProgress())
    assert len(result.kept) == PAIRS


@pytest.mark.slow
def test_a_run_with_a_cache_that_cannot_be_written_goes_on(tmp_path: Path) -> None:
    first, _ = run_with(tmp_path, tmp_path / "store")
    with mounted(tmp_path / "read-only") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        second, warnings = run_with(tmp_path, disk / "store")
    assert second == first
    assert sum("store cannot be used" in text for text in warnings) == 1
