"""A run that is killed, stopped, without room or with a wrong clock, at each of its steps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers import trl_rows, write_jsonl
from tests.robustness.interrupted_run import STEPS

PIPELINE = """\
input: {path: a.jsonl}
embedder: {name: static}
scorers: [{type: reward_margin}, {type: repetition}]
filters: [{type: quantile, column: reward_margin.margin, keep: 0.5}]
output: {report: false, rows_per_shard: 40}
"""
SOURCE = str(Path(__file__).parents[2])


def _start(folder: Path, *words: str, **more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "CURATE_CACHE": str(folder / "store"), "PYTHONPATH": SOURCE}
    return subprocess.Popen(
        [sys.executable, "-m", *words], cwd=folder, env=environment | more, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _interrupt(folder: Path, action: str, step: str) -> subprocess.Popen[str]:
    return _start(folder, "tests.robustness.interrupted_run", action, step)


def _prepare(folder: Path) -> Path:
    folder.mkdir()
    write_jsonl(folder / "a.jsonl", trl_rows(120))
    (folder / "pipeline.yaml").write_text(PIPELINE)
    return folder


def _rerun(folder: Path) -> dict[str, bytes]:
    child = _start(folder, "curate", "run", "pipeline.yaml", "-o", "out")
    _, error = child.communicate(timeout=240)
    assert child.returncode == 0, error
    return _written(folder)


def _written(folder: Path) -> dict[str, bytes]:
    """Scores and shards, by name; the manifest holds times."""
    out = folder / "out"
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*.parquet"))}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an undisturbed run writes."""
    written = _rerun(_prepare(tmp_path_factory.mktemp("whole") / "run"))
    assert len(written) >= 4
    return written


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_run_killed_at_a_step_is_made_again_byte_by_byte(
    step: str, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    folder = _prepare(tmp_path / "run")
    child = _interrupt(folder, "kill", step)
    printed, _ = child.communicate(timeout=240)
    assert (f"entered {step}" in printed, child.returncode) == (True, -signal.SIGKILL)
    assert not (folder / "out").exists()
    assert _rerun(folder) == undisturbed
    assert {p.name for p in folder.iterdir()} == {"a.jsonl", "pipeline.yaml", "store", "out"}


@pytest.mark.slow
@pytest.mark.parametrize("step", ["reading", "scoring", "filtering", "writing", "signing"])
def test_a_quota_at_a_step_is_one_error_and_leaves_no_run(
    step: str, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    folder = _prepare(tmp_path / "run")
    child = _interrupt(folder, "quota", step)
    printed, error = child.communicate(timeout=240)
    assert f"entered {step}" in printed
    assert child.returncode == 2, error
    assert "Traceback" not in error
    assert {p.name for p in folder.iterdir()} <= {"a.jsonl", "pipeline.yaml", "store"}
    assert _rerun(folder) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("step", ["reading", "scoring", "writing"])
def test_a_run_that_is_stopped_for_a_while_goes_on(
    step: str, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    folder = _prepare(tmp_path / "run")
    child = _interrupt(folder, "stop", step)
    assert child.stdout is not None
    while f"entered {step}" not in child.stdout.readline():
        assert child.poll() is None
    time.sleep(3)
    assert child.poll() is None
    os.kill(child.pid, signal.SIGCONT)
    _, error = child.communicate(timeout=240)
    assert child.returncode == 0, error
    assert _written(folder) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("step", ["reading", "scoring", "writing"])
def test_a_clock_that_goes_back_changes_nothing(
    step: str, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    folder = _prepare(tmp_path / "run")
    child = _interrupt(folder, "clock", step)
    _, error = child.communicate(timeout=240)
    assert child.returncode == 0, error
    assert _written(folder) == undisturbed
