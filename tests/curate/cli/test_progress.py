"""Without a terminal progress is told by lines, and the lines are right."""

from __future__ import annotations

import time

import pytest

from curate.cli import progress
from curate.cli.progress import LineProgress


def test_lines_tell_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with LineProgress(0.05).running() as lines, lines.task("embed", 200) as task:
        task.advance(50)
        time.sleep(0.2)
    output = capsys.readouterr().err.splitlines()
    assert len(output) >= 2
    assert output[0].startswith("embed: 50 of 200 (25%), ")
    assert output[0].endswith(" s left")


def test_the_whole_and_the_innermost_work_are_told_and_unknown_totals_are_no_mistake(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with (
        LineProgress(0.05).running() as lines,
        lines.task("outer", 2),
        lines.task("between", 3),
        lines.task("inner", None),
    ):
        time.sleep(0.12)
    output = capsys.readouterr().err.splitlines()
    assert output
    assert all(line.startswith("outer: 0 of 2") for line in output[::2])
    assert all(line.startswith("inner: 0 s") for line in output[1::2])


def test_short_work_tells_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert not progress.err.is_terminal
    with progress.console_progress() as lines, lines.task("quick", 3) as task:
        task.advance()
    assert capsys.readouterr().err == ""


def test_work_is_told_before_the_first_interval_is_over(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BEFORE_FIRST_LINE", 0.5)
    with LineProgress(60).running() as lines, lines.task("embed", 10) as task:
        task.advance(5)
        time.sleep(2.5)
    output = capsys.readouterr().err.splitlines()
    assert len(output) == 1
    assert output[0].startswith("embed: 5 of 10 (50%), ")
