"""The commands that a user copies name real paths, and survive a shell."""

from __future__ import annotations

import shlex

import pytest

from curate.steps.next_steps import drawn_folder, judging_commands, next_step_by_judging


@pytest.mark.parametrize(
    ("data", "folder"),
    [
        ("prefs.jsonl", "prefs-drawn"),
        ("a/b/prefs.v2.jsonl.gz", "prefs.v2-drawn"),
        ("hf:owner/some-prefs", "some-prefs-drawn"),
        ("https://host/x/train.parquet?raw=1", "train-drawn"),
        ("out/", "out-drawn"),
        ("data/*.jsonl", "pairs-drawn"),
        ("..", "pairs-drawn"),
        ("my prefs; rm -rf.csv", "my-prefs-rm--rf-drawn"),
        ("", "pairs-drawn"),
        (None, "DRAWN"),
    ],
)
def test_the_folder_of_a_draw(data: str | None, folder: str) -> None:
    assert drawn_folder(data) == folder


@pytest.mark.parametrize(
    "data", ["prefs.jsonl", "a b/'q'.jsonl", "data/*.jsonl", "-x.jsonl", "$HOME"]
)
def test_a_shell_reads_back_what_was_named(data: str) -> None:
    commands = judging_commands(data, 20)
    words = shlex.split(commands.route)
    assert words[:3] == ["curate", "route", data]
    assert words[3:5] == ["--random", "20"]
    folder = words[6]
    assert shlex.split(commands.review) == ["curate", "review", folder]
    assert shlex.split(commands.audit) == ["curate", "audit", data, "--gold", folder]
    assert shlex.split(commands.run) == ["curate", "run", "pipeline.yaml", "--gold", folder]


def test_a_pipeline_is_run_itself() -> None:
    assert judging_commands("my pipe.yaml").run == "curate run 'my pipe.yaml' --gold my-pipe-drawn"


def test_the_advice_holds_three_commands() -> None:
    first, *commands = next_step_by_judging("out", 30).splitlines()
    assert "30 pairs" in first
    assert [c.split()[1] for c in commands] == ["route", "review", "audit"]
    assert "DATA" in next_step_by_judging(None)
