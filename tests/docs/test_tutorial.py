"""The commands of the tutorial run one after another, and print what the page shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.cli import console
from curate.cli.app import app

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "first_run.md"


def stable_words(line: str) -> str:
    """Return a line without what differs between machines: digits, frames and spaces."""
    return " ".join(re.sub(r"[\d.,%]+", "#", re.sub(r"[│┃─]", " ", line)).split())


def run_line(line: str) -> str:
    """Return what a line of the shell prints."""
    words = shlex.split(line)
    if words[0] == "python":
        command = [sys.executable, *words[1:]]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    outcome = CliRunner().invoke(app, words[1:])
    assert outcome.exit_code == 0, (line, outcome.output, outcome.exception)
    return outcome.output


@pytest.mark.slow
def test_the_tutorial_prints_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "store"))
    # A console takes the width of the environment in which it was made, by whichever test.
    monkeypatch.setattr(console.out, "width", 80)
    monkeypatch.setattr(console.err, "width", 80)
    printed, compared = "", 0
    for language, body in re.findall(r"```(sh|text)\n(.*?)\n```", PAGE.read_text(), re.S):
        if language == "sh":
            printed = "\n".join(run_line(line) for line in body.splitlines())
            continue
        lines = {stable_words(line) for line in printed.splitlines()}
        for line in body.splitlines():
            assert stable_words(line) in lines, (line, printed)
            compared += 1
    assert compared >= 10
