"""The command line: what the data holds is shown and not sent, and every end is a clean one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.cli.app import app
from curate.cli.safe import json_text, visible
from tests.helpers import trl_rows, write_jsonl

CLIPBOARD = "\x1b]52;c;ZXZpbA==\x07"
HOSTILE = f"{CLIPBOARD}\x1b[2J\x9b31m\u202e\r\x08"


def data_with(folder: Path, **more: str) -> Path:
    """Rows whose names and texts hold commands to a terminal."""
    rows = [{**row, "annotator": HOSTILE, "source": HOSTILE, HOSTILE: "x"} for row in trl_rows(6)]
    return write_jsonl(folder / "a.jsonl", [{**row, **more} for row in rows])


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """The command as a user runs it."""
    command = [sys.executable, "-m", "curate", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False)


def is_plain(data: bytes) -> bool:
    text = data.decode()
    return not any(mark in text for mark in ("\x1b]", "\x1b[2J", "\x9b", "\u202e", "\x07", "\x08"))


def test_control_characters_are_spelt_out() -> None:
    assert visible("a\x1b]b") == "a\\x1b]b"
    assert visible("a\nb\tc \u00e9 \u4e2d \U0001f600") == "a\nb\tc \u00e9 \u4e2d \U0001f600"
    assert json.loads(json_text({"a": HOSTILE})) == {"a": HOSTILE}
    assert is_plain(json_text({"a": HOSTILE}).encode())


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "a.jsonl"),
        ("inspect", "a.jsonl", "--json"),
        ("inspect", f"no-{HOSTILE}.jsonl"),
        ("inspect", "a.jsonl", "--format", HOSTILE),
        ("run", "pipeline.yaml"),
        ("run", "pipeline.yaml", "--dry-run"),
        ("list", HOSTILE),
    ],
    ids=lambda a: ascii(" ".join(a))[:40],
)
def test_no_command_reaches_the_terminal(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data_with(tmp_path)
    columns = "columns: {prompt: prompt, chosen: chosen, rejected: rejected, annotator: annotator}"
    (tmp_path / "pipeline.yaml").write_text(
        f"input: {{path: a.jsonl, {columns}}}\nscorers: [{{type: lengths}}]\nstore: null\n"
    )
    done = CliRunner().invoke(app, list(arguments))
    output = done.output + str(done.exception or "")
    assert done.exit_code in (0, 1, 2)
    assert is_plain(done.output.encode()), ascii(output)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_cleans_up(number: signal.Signals, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", trl_rows(60_000))
    (tmp_path / "pipeline.yaml").write_text(
        "input: {path: a.jsonl}\nscorers: [{type: language}, {type: repetition}]\nstore: null\n"
    )
    command = [sys.executable, "-m", "curate", "run", "pipeline.yaml", "--output", "out"]
    child = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not any(p.name.startswith(".out.work") for p in tmp_path.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(child.pid, number)
    _, stderr = child.communicate(timeout=60)
    assert child.returncode != 0
    assert b"Traceback" not in stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jsonl", "pipeline.yaml"]


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    """Whatever moment a run is killed at, the next one gives the bytes of an undisturbed one."""
    write_jsonl(tmp_path / "a.jsonl", trl_rows(3000))
    (tmp_path / "pipeline.yaml").write_text(
        "input: {path: a.jsonl}\nembedder: {name: static}\n"
        "scorers: [{type: reward_margin}, {type: repetition}]\n"
        "filters: [{type: quantile, column: reward_margin.margin, keep: 0.5}]\n"
        "output: {report: false}\n"
    )

    def start(store: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "curate",
            "run",
            "pipeline.yaml",
            "-o",
            "out",
            "--overwrite",
        ]
        environment = {**os.environ, "CURATE_CACHE": str(tmp_path / store)}
        return subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    begun = time.monotonic()
    assert start("one").wait() == 0
    undisturbed = time.monotonic() - begun
    expected = (tmp_path / "out" / "scores.parquet").read_bytes()
    for number in range(4):
        child = start("two")
        time.sleep(undisturbed * (0.3 + 0.2 * number))
        child.kill()
        child.wait()
        assert (tmp_path / "out" / "manifest.json").exists()
    child = start("two")
    assert child.wait() == 0, child.stderr
    assert (tmp_path / "out" / "scores.parquet").read_bytes() == expected
    remaining = {p.name for p in tmp_path.iterdir()}
    assert remaining == {"a.jsonl", "pipeline.yaml", "out", "one", "two"}
