"""A folder of files of several kinds: one screen names them all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.cli.app import app
from curate.read.file_kinds import files_by_kind
from curate.read.sources import find_sources
from tests.helpers import trl_rows, write_jsonl

ANSWERS = [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}]
LABELLED = "question,text one,text two,who\nq,a,b,left\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_jsonl(tmp_path / "a.jsonl", trl_rows(3))
    write_jsonl(tmp_path / "b.jsonl", [row | {"id": 1} for row in trl_rows(3)])
    write_jsonl(tmp_path / "c.jsonl", ANSWERS)
    (tmp_path / "d.csv").write_text(LABELLED)
    (tmp_path / "e.csv").write_text(LABELLED)
    (tmp_path / "empty.jsonl").write_text("\n")
    return tmp_path


def test_files_are_grouped_by_what_they_hold(folder: Path) -> None:
    kinds = files_by_kind(find_sources(str(folder)))
    assert [(kind.format, len(kind.files)) for kind in kinds] == [
        ("trl", 2),
        ("answers", 1),
        (None, 2),
    ]
    assert kinds[2].columns == ("question", "text one", "text two", "who")
    assert "was not recognised" in kinds[2].problem


def test_inspect_names_every_kind_on_one_screen(folder: Path) -> None:
    result = CliRunner().invoke(app, ["inspect", str(folder)])
    assert result.exit_code == 0
    assert "files of 3 kinds" in result.stdout
    assert all(name in result.stdout for name in ("trl", "answers", "not recognised"))
    assert len(result.stdout.splitlines()) < 24
    kinds = json.loads(CliRunner().invoke(app, ["inspect", str(folder), "--json"]).stdout)["kinds"]
    assert [kind["format"] for kind in kinds] == ["trl", "answers", None]


def test_a_folder_of_one_kind_is_read_as_one_dataset(folder: Path) -> None:
    for name in ("c.jsonl", "d.csv", "e.csv"):
        (folder / name).unlink()
    result = CliRunner().invoke(app, ["inspect", str(folder), "--json"])
    assert json.loads(result.stdout)["pairs"] == 6


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "What is it?,A dog.,A cat.\nWhy?,So.,No.\n", "the first line looks like a row"),
        (
            "a.csv",
            "1,Who is it then?,Nobody knows it.\n2,Why?,So.\n",
            "the first line looks like a row",
        ),
        ("a.jsonl", '["Why?","So.","No."]\n', "lists have no names of columns"),
    ],
)
def test_a_file_without_names_of_columns(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    result = CliRunner().invoke(app, ["inspect", str(tmp_path / name)])
    assert result.exit_code != 0
    assert message in str(result.exception)
    assert len(str(result.exception).splitlines()) < 8
