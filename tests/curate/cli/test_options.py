"""Options have one name for one thing in all verbs; names of earlier releases still work."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from curate.cli import options
from curate.cli.app import app
from tests.helpers import trl_rows, write_jsonl

VERBS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
"""Commands by name, as typer builds them."""
SHARED = {
    "--format": options.FormatName,
    "--columns": options.Columns,
    "--split": options.Split,
    "--config": options.ConfigName,
    "--limit": options.Limit,
    "--most": options.Most,
    "--embedder": options.EmbedderName,
    "--seed": options.Seed,
    "--url": options.EndpointUrl,
    "--json": options.Json,
}
OLD_NAMES = ("--out", "--folder", "--judge-url", "--name-url")


def names_of_options(verb: str) -> set[str]:
    return {name for parameter in VERBS[verb].params for name in parameter.opts}


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_shared_options_come_from_one_place(verb: str) -> None:
    helps = {name: kind.__metadata__[0].help for name, kind in SHARED.items()}
    for parameter in VERBS[verb].params:
        for name in set(parameter.opts) & set(helps):
            assert parameter.help == helps[name], (verb, name)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_old_names_are_not_shown(verb: str) -> None:
    assert not names_of_options(verb) & set(OLD_NAMES)
    words = CliRunner().invoke(app, [verb, "--help"]).output.split()
    assert not set(words) & set(OLD_NAMES)


def test_verbs_that_write_a_folder_or_file_call_it_output() -> None:
    writers = (
        "apply audit bench compare derive explain export merge new report round route run worth"
    )
    for verb in writers.split():
        assert {"--output", "-o"} <= names_of_options(verb), verb


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_jsonl(tmp_path / "data.jsonl", trl_rows(20))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("option", ["--output", "-o", "--out"])
def test_export_to_old_and_new_name(folder: Path, option: str) -> None:
    done = CliRunner().invoke(app, ["export", "data.jsonl", option, "exported"])
    assert done.exit_code == 0, done.output
    assert list((folder / "exported").iterdir())


def test_old_name_with_an_equals_sign(folder: Path) -> None:
    done = CliRunner().invoke(app, ["route", "data.jsonl", "--random", "5", "--out=drawn"])
    assert done.exit_code == 0, done.output
    assert (folder / "drawn").is_dir()


@pytest.mark.parametrize("option", ["--output", "--folder"])
def test_new_writes_into_the_folder(folder: Path, option: str) -> None:
    done = CliRunner().invoke(app, ["new", "scorer", "vowel_share", option, "plug_in"])
    assert done.exit_code == 0, done.output
    assert (folder / "plug_in" / "src" / "vowel_share" / "__init__.py").is_file()


def test_current_name_leaves_other_words_as_they_are() -> None:
    assert [options.current_name(word) for word in ("out", "name-url", "o", "scorer")] == [
        "output",
        "url",
        "o",
        "scorer",
    ]
