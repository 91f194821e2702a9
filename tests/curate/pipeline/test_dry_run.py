"""What `--dry-run` accepts runs: conditions, keys and values are tried on the first pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from curate.cli import run as run_command
from curate.cli.app import app
from curate.errors import CurateError
from tests.helpers import trl_rows, write_jsonl

ROWS = [
    row | {"votes": number, "rater": ("Ann", "Bob")[number % 2], "mixed": ("3", "x")[number % 2]}
    for number, row in enumerate(trl_rows(8))
]
COMPARISON = "the expression does not evaluate to true or false"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "data.jsonl", ROWS)
    return tmp_path


def call(*filters: dict[str, Any], dry: bool = True, **sections: Any) -> CurateError | str:
    """The error of a run, or what it prints."""
    config = {
        "input": {"path": "data.jsonl"},
        "scorers": [{"type": "lengths"}],
        "filters": list(filters),
    }
    Path("pipeline.yaml").write_text(yaml.safe_dump(config | sections))
    words = ["run", "--overwrite", *(["--dry-run"] if dry else [])]
    result = CliRunner().invoke(app, words)
    return result.exception if isinstance(result.exception, CurateError) else result.output


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "expression", "drop": "`extra.rater` > 3"}, COMPARISON, "'Ann', 'Bob'"),
    ({"type": "expression", "keep": "`lengths.chosen` = 'long'"}, COMPARISON, "cannot compare"),
    ({"type": "expression", "keep": "`extra.votes` + 1"}, COMPARISON, "it gives Float64"),
    ({"type": "flip_where", "condition": "`extra.rater` > 3"}, COMPARISON, "'Ann', 'Bob'"),
    ({"type": "threshold", "column": "extra.mixed", "min": 1}, "not numeric", "'3', 'x'"),
    ({"type": "quantile", "column": "extra.rater", "keep": 0.5}, "not numeric", "'Ann', 'Bob'"),
    ({"type": "expression", "keep": "`extra.vote` > 1"}, "no pair has a value", "extra.votes"),
]


@pytest.mark.parametrize(("step", "problem", "quoted"), MISTAKES)
def test_what_a_run_refuses_a_dry_run_refuses_with_the_values(
    step: dict[str, Any], problem: str, quoted: str, folder: Path
) -> None:
    assert isinstance(call(step, dry=False), CurateError)
    error = call(step)
    assert isinstance(error, CurateError)
    assert problem in error.problem
    assert quoted in str(error.found)
    assert error.where == f"filter '{step['type']}'"


@pytest.mark.parametrize(
    "step",
    [
        {"type": "expression", "keep": "`extra.votes` > 3 AND `lengths.chosen` < 100"},
        {"type": "threshold", "column": "extra.votes", "min": 2},
        {"type": "per_group", "by": "extra.rater", "keep": 2},
        {"type": "topsis", "criteria": {"extra.votes": "max", "lengths.chosen": "min"}},
    ],
)
def test_what_a_dry_run_accepts_runs(step: dict[str, Any], folder: Path) -> None:
    assert "Nothing was written" in str(call(step))
    assert "counted: " in str(call(step, dry=False))


def test_all_mistakes_are_told_a_line_each(folder: Path) -> None:
    error = call(*(step for step, _, _ in MISTAKES[:5]), {"type": "ties"})
    assert isinstance(error, CurateError)
    assert error.problem == "5 mistakes in filters"
    lines = str(error.found).strip().splitlines()
    assert len(lines) == 5
    assert lines[1].startswith("  - filter 'expression-2': ")


def test_a_key_that_later_pairs_may_have_is_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_command, "_DRY_RUN_PAIRS", 3)
    write_jsonl(folder / "data.jsonl", [*ROWS[:4], ROWS[4] | {"late": 1}])
    output = call({"type": "expression", "keep": "`extra.late` > 0"})
    assert "of the first 3 pairs: no pair has a value of extra.late" in str(output)


def test_a_wrong_mapping_gets_the_values_and_a_whole_one(folder: Path) -> None:
    rows = [
        {"ask": "q", "text a": "x", "text b": "y", "winner": w} for w in ("A", "B", "none", "?")
    ]
    write_jsonl(folder / "data.jsonl", rows)
    columns = {"prompt": "ask", "first": "text a", "second": "text b", "label": "winner"}
    error = call(input={"path": "data.jsonl", "columns": columns})
    assert isinstance(error, CurateError)
    assert "values of 'winner' in the first rows: 'A' (1), 'B' (1)" in str(error.found)
    assert "columns: {prompt: ask, first: text a, second: text b, label: winner" in str(error.fix)
