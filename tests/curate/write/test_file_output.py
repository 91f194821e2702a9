"""A command that writes one file replaces nothing but what curate wrote before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate import CurateError
from curate.cli.app import app
from curate.write.file_output import check_output_file
from tests.helpers import trl_rows, write_jsonl


@pytest.mark.parametrize("name", ["thesis.json", "thesis.html", "audit.txt", "broken.json"])
def test_a_foreign_file_is_replaced_on_demand_only(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("{" if name == "broken.json" else '{"made_by": "somebody"}')
    with pytest.raises(CurateError, match="did not write") as caught:
        check_output_file(path, False, [None])
    assert "--overwrite" in str(caught.value)
    check_output_file(path, True, [None])


def test_our_own_files_are_written_again(tmp_path: Path) -> None:
    page, data = tmp_path / "a.html", tmp_path / "a.json"
    page.write_text('<!doctype html>\n<head>\n<meta name="generator" content="curate">')
    data.write_text('{"made_by": "curate audit"}')
    for path in (page, data, tmp_path / "new.json"):
        check_output_file(path, False, [tmp_path / "in.jsonl"])


def test_the_input_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / "a.jsonl"
    path.write_text("{}")
    link = tmp_path / "link.jsonl"
    link.symlink_to(path)
    monkeypatch.chdir(tmp_path)
    sources = (path, "data/a.jsonl", folder, "data/*.jsonl", str(folder / "*"), link, "./data")
    sources += (f"file://{path}", f"FILE://{path}", f"local://{folder}", f"file://{folder}/*")
    for source in sources:
        with pytest.raises(CurateError, match="replace the input"):
            check_output_file(path, True, [None, source])
    with pytest.raises(CurateError, match="is a folder"):
        check_output_file(folder, True, [])
    # Of other inputs, and of names that are no paths, nothing is known.
    check_output_file(path, True, ["owner/name", "s3://bucket/a.jsonl", tmp_path / "other.jsonl"])


def test_verbs_check_before_they_compute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_jsonl(tmp_path / "in.jsonl", trl_rows(30))
    before = data.read_bytes()

    def refuse(*arguments: str) -> None:
        error = CliRunner().invoke(app, arguments).exception
        assert isinstance(error, CurateError)
        assert error.problem.startswith("the output")

    refuse("audit", str(data), "-o", str(data), "--overwrite")
    refuse("audit", f"file://{data}", "-o", str(data), "--overwrite")
    (tmp_path / "pipeline.yaml").write_text("input: {path: in.jsonl}")
    refuse("audit", "pipeline.yaml", "-o", str(data), "--overwrite")
    refuse("init", str(data), "--data", str(data), "--overwrite")
    refuse("init", str(data), "--data", str(tmp_path), "--overwrite")
    assert data.read_bytes() == before
    (tmp_path / "audit.json").write_text(json.dumps({"mine": 1}))
    refuse("audit", str(data))
    assert json.loads((tmp_path / "audit.json").read_text()) == {"mine": 1}
    (tmp_path / "page.html").write_text("mine")
    refuse("report", "audit.json", "-o", "page.html")
    refuse("report", "audit.json", "-o", "audit.json")
    assert (tmp_path / "page.html").read_text() == "mine"
