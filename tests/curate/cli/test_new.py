"""`curate new`: the package that it writes installs, passes its tests, mypy --strict and ruff."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.cli.app import app

KINDS = {
    "letter_share": ("scorer",),
    "prompt_pairs": ("scorer", "--kind", "table"),
    "my_heads": ("scorer", "--kind", "learned"),
    "my_model": ("scorer", "--kind", "model"),
    "short_answers": ("filter",),
    "task_rows": ("format",),
    "good_and_bad": ("export",),
}


def new_package(name: str, *words: str) -> str:
    step, *options = words
    done = CliRunner().invoke(app, ["new", step, name, *options])
    assert done.exit_code == 0, done.output
    return done.output


def shell(command: str, **variables: str) -> None:
    """Run a command line, which must succeed."""
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, env=os.environ | variables, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Return the programs of a new environment that sees the packages of this one."""
    folder = tmp_path / "environment"
    shell(f"{sys.executable} -m venv --without-pip {folder}")
    (inside,) = folder.glob("lib/python*/site-packages")
    # `addsitedir` and no plain path: curate itself may be there by a .pth file.
    outer_packages = sysconfig.get_path("purelib")
    (inside / "outside.pth").write_text(f"import site; site.addsitedir({outer_packages!r})\n")
    return folder / "bin" / "python"


@pytest.mark.slow
def test_new_packages_install_and_pass(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, words in KINDS.items():
        last_line = new_package(name, *words).splitlines()[-1]
        assert last_line.endswith(f"cd {name} && pip install -e . && pytest")
    # As that line says, but offline: nothing is fetched, and what is here builds the packages.
    install = f"{environment} -m pip install -q --no-deps --no-build-isolation"
    shell(" ".join([install, *(f"-e {name}" for name in KINDS)]))
    tests = " ".join(f"{name}/tests" for name in KINDS)
    shell(f"{environment} -m pytest -q -p no:cacheprovider {tests}")
    shell(f"{sys.executable} -m ruff check {' '.join(KINDS)}")
    shell(f"{sys.executable} -m ruff format --check {' '.join(KINDS)}")
    sources = " ".join(f"{name}/src" for name in KINDS)
    shell(f"{environment} -m mypy --strict {sources} {tests}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["scorer", "lengths"], "already in use"),
        (["format", "trl"], "already in use"),
        (["scorer", "My_Score"], "lower-case letters"),
        (["scorer", "json"], "Python's own"),
        (["filter", "class"], "Python's own"),
        (["filter", "my_filter", "--kind", "table"], "a filter has no kind"),
    ],
)
def test_a_name_or_kind_that_cannot_be(words: list[str], message: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["new", *words, "--output", str(tmp_path / "out")])
    assert done.exit_code != 0
    assert message in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_files_are_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    new_package("my_filter", "filter")
    done = CliRunner().invoke(app, ["new", "export", "my_filter"])
    assert "the file already exists" in str(done.exception)
    assert "curate.filters" in (tmp_path / "my_filter" / "pyproject.toml").read_text()
