"""Single answers as trainers for supervised fine-tuning cut or drop them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate import CurateError, Pipeline
from curate.check.problems import CUT, EMPTY, LEFT_OUT
from curate.cli.app import app
from tests.curate.check.test_check import model
from tests.helpers import write_jsonl

ANSWERS = ("short", "word " * 400, "", "fine")
ROWS = [{"prompt": f"question {i}", "completion": text} for i, text in enumerate(ANSWERS)]


def problems(source: str, tokenizer: str, trainer: str) -> dict[str, Any]:
    words = ["check", source, "--model", tokenizer, "--trainer", trainer, "--max-length", "100"]
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exception is None, result.exception
    report: dict[str, Any] = json.loads(result.stdout)
    return {name: count for name, count in report["problems"].items() if count} | {
        "longest": report["longest"]
    }


@pytest.mark.parametrize(("trainer", "long_problem"), [("trl", CUT), ("axolotl", LEFT_OUT)])
def test_a_file_and_a_run_have_the_same_problems(
    tmp_path: Path, trainer: str, long_problem: str
) -> None:
    tokenizer, data = model(tmp_path / "model"), write_jsonl(tmp_path / "rows.jsonl", ROWS)
    config = {"input": {"path": str(data)}, "output": {"format": "sft"}, "store": None}
    Pipeline(config).run(output=tmp_path / "run")
    of_file, of_run = (
        problems(str(source), tokenizer, trainer) for source in (data, tmp_path / "run")
    )
    assert of_file == of_run
    longest = of_file.pop("longest")
    assert of_file == {EMPTY: 1, long_problem: 1}
    assert longest > 400


def test_a_cleaned_copy_has_the_other_answers(tmp_path: Path) -> None:
    tokenizer, data = model(tmp_path / "model"), write_jsonl(tmp_path / "rows.jsonl", ROWS)
    config = {"input": {"path": str(data)}, "output": {"format": "sft"}, "store": None}
    Pipeline(config).run(output=tmp_path / "run")
    words = ["check", str(tmp_path / "run"), "--model", tokenizer, "--fix", str(tmp_path / "fit")]
    assert CliRunner().invoke(app, words).exception is None
    rows = json.loads((tmp_path / "fit" / "manifest.json").read_text())["rows"]
    assert (rows["in"], rows["kept"]) == (4, 3)


def test_trainers_whose_rules_are_known_for_pairs_alone_are_refused(tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "rows.jsonl", ROWS)
    words = ["check", str(data), "--model", model(tmp_path / "model"), "--trainer", "openrlhf"]
    error = CliRunner().invoke(app, words).exception
    assert isinstance(error, CurateError)
    assert "expected: trl or axolotl" in str(error)
