"""`--help` of every command: it fits 80 columns, nothing is cut, and an example ends it."""

from __future__ import annotations

import shlex
from functools import cache

import pytest
from typer.testing import CliRunner

from curate.cli.app import app
from curate.cli.examples import EXAMPLES

NAMES = [str(command.name) for command in app.registered_commands]


@cache
def help_text(name: str) -> str:
    result = CliRunner().invoke(app, [name, "--help"], terminal_width=80, env={"COLUMNS": "80"})
    assert result.exit_code == 0
    return result.output


def test_every_command_has_an_example() -> None:
    assert sorted(NAMES) == sorted(EXAMPLES)


@pytest.mark.parametrize("name", NAMES)
def test_help_fits_and_nothing_is_cut(name: str) -> None:
    text = help_text(name)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_a_command_with_options_that_there_are(name: str) -> None:
    text = help_text(name)
    assert f"Example: {EXAMPLES[name]}" in " ".join(text.split())
    program, command, *words = shlex.split(EXAMPLES[name])
    assert (program, command) == ("curate", name)
    assert all(word in text for word in words if word.startswith("--"))


def test_the_groups_of_help_begin_with_what_comes_first() -> None:
    text = CliRunner().invoke(app, ["--help"], terminal_width=80).output
    places = [text.index(f"│ {name} ") for name in ("inspect", "audit", "init", "run", "bench")]
    assert places == sorted(places)
