"""Every verb that looks at data takes a file, a run's folder or a pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.cli.app import app
from tests.helpers import trl_rows, write_jsonl


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = write_jsonl(tmp_path / "rows.jsonl", trl_rows(8))
    (tmp_path / "pipeline.yaml").write_text(
        f"input: {{path: {data}, limit: 6}}\n"
        "filters: [{type: sample, rows: 4}]\n"
        f"output: {{path: {tmp_path / 'out'}, report: false}}\n"
    )
    done = CliRunner().invoke(app, ["run", str(tmp_path / "pipeline.yaml")])
    assert done.exit_code == 0, done.output
    return tmp_path


@pytest.mark.parametrize(("name", "pairs"), [("rows.jsonl", 8), ("pipeline.yaml", 6), ("out", 6)])
def test_inspect_takes_each(folder: Path, name: str, pairs: int) -> None:
    found = CliRunner().invoke(app, ["inspect", str(folder / name), "--json"])
    assert found.exit_code == 0, found.output
    told = json.loads(found.output)
    assert told["pairs"] == pairs
    assert told["first_pair"]["prompt"] == "question 0"
    assert told["first_pair"]["chosen"] == "good answer 0"
    limited = CliRunner().invoke(app, ["inspect", str(folder / name), "--json", "--limit", "2"])
    assert json.loads(limited.output)["pairs"] == 2
