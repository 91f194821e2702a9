"""Formats and exports of other packages: found by entry points, beside the built-in ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from curate import CurateError, read_pairs
from curate.read.formats import Format, detect_format, format_names, get_format
from curate.read.formats import registry as formats
from curate.steps import discovery
from curate.steps.discovery import Catalogue
from curate.steps.entries import FORMATS
from tests.curate import plugin
from tests.helpers import write_jsonl

ROWS = [{"ask": "2 + 2?", "good": "4", "bad": "5"}, {"ask": "3 + 3?", "good": "6", "bad": "7"}]


def register(monkeypatch: pytest.MonkeyPatch, *entries: EntryPoint) -> Catalogue[Format]:
    """Let these entry points be all formats that plug-ins bring."""
    by_name = {e.name: [x for x in entries if x.name == e.name] for e in entries}
    monkeypatch.setattr(
        discovery, "entry_points_by_name", lambda group: by_name if group == FORMATS else {}
    )
    catalogue = Catalogue("input format", "curate.read.formats", FORMATS, Format)
    monkeypatch.setattr(formats, "CATALOGUE", catalogue)
    return catalogue


def test_a_plug_in_format_is_detected_and_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, EntryPoint("quiz", "tests.curate.plugin:QuizFormat", FORMATS))
    path = str(write_jsonl(tmp_path / "a.jsonl", ROWS))
    for pairs in (read_pairs(path), read_pairs(path, format="quiz")):
        assert pairs.format == "quiz"
        assert pairs.frame["chosen"].list.first().struct.field("content").to_list() == ["4", "6"]
    assert format_names()["quiz"] == plugin.QuizFormat.summary
    with pytest.raises(CurateError, match="did you mean 'quiz'"):
        get_format("quizz")


def test_a_plug_in_that_takes_a_built_in_name_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = register(monkeypatch, EntryPoint("trl", "tests.curate.plugin:QuizFormat", FORMATS))
    with pytest.raises(CurateError, match="several plug-ins are called 'trl'") as caught:
        get_format("trl")
    assert "curate.read.formats.trl:" in str(caught.value)
    assert "tests.curate.plugin:QuizFormat" in str(caught.value)
    row = {"prompt": "p", "chosen": "a", "rejected": "b"}
    with pytest.raises(CurateError, match="several plug-ins are called 'trl'"):
        detect_format([row], "rows")
    assert "trl" in catalogue.unusable
    assert "trl" not in catalogue.usable


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("lost", "no_such_package:Format", "cannot be imported"),
        ("odd", "pathlib:Path", "is not an input format"),
        ("quizzes", "tests.curate.plugin:QuizFormat", "is not that of its entry point"),
    ],
)
def test_a_plug_in_that_cannot_be_used_stops_nothing_else(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    catalogue = register(monkeypatch, EntryPoint(name, value, FORMATS))
    assert message in catalogue.unusable[name]
    with pytest.raises(CurateError, match=message):
        get_format(name)
    assert detect_format([{"prompt": "p", "chosen": "a", "rejected": "b"}], "rows").name == "trl"


def installed_package(folder: Path) -> dict[str, str]:
    """Install a package with a format and an export into a folder; return the environment."""
    info = folder / "quiz_plugin-0.1.dist-info"
    info.mkdir(parents=True)
    source = Path(plugin.__file__).read_text(encoding="utf-8")
    (folder / "quiz_plugin.py").write_text(source, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: quiz-plugin\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(
        "[curate.formats]\nquiz = quiz_plugin:QuizFormat\nbroken = no_such_package:Format\n"
        "[curate.exports]\nquestions = quiz_plugin:QuestionsExport\n"
    )
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}


@pytest.mark.slow
def test_an_installed_format_and_export_are_used_by_a_run(tmp_path: Path) -> None:
    environment = installed_package(tmp_path / "site")
    write_jsonl(tmp_path / "a.jsonl", ROWS)
    (tmp_path / "p.yaml").write_text(
        "input: {path: a.jsonl}\noutput: {format: questions, file_type: jsonl}\n"
        "scorers: [{type: lengths}]\n"
    )

    def curate(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "curate", *words],
            capture_output=True, text=True, cwd=tmp_path, env=environment, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    listing = curate("list")
    assert "quiz," in listing
    assert "questions," in listing
    assert "cannot be used: broken" in listing
    curate("run", "p.yaml", "--output", "run")
    (shard,) = (tmp_path / "run" / "kept").glob("*.jsonl")
    rows = [json.loads(line) for line in shard.read_text().splitlines()]
    assert [(row["question"], row["right"]) for row in rows] == [("2 + 2?", "4"), ("3 + 3?", "6")]
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["input"]["format"] == "quiz"
    curate("export", "run", "--to", "questions", "--output", "again")
