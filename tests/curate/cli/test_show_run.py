"""The end of a run on a terminal of 80 columns."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.cli import console
from curate.cli.app import app
from curate.cli.show_run import show_step_warnings
from curate.steps.step_record import StepRecord, all_warnings, warnings_by_step
from tests.helpers import write_jsonl

PIPELINE = """
input: {path: votes.jsonl}
filters:
  - {type: consensus}
  - {type: ties}
  - {type: identical_answers}
  - {type: flip_where, condition: "`extra.wrong` = 1"}
"""
TEXT = "held-out heads agree with 51 % of 100 labels"
LEARNT_NOTHING = {"ok": False, "text": TEXT}
LEARNT = {"ok": True, "text": TEXT}


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    rows = [
        {"prompt": f"question {number}", "chosen": f"answer {number}", "rejected": "no answer"}
        | {"annotator": name, "wrong": int(number == 3)}
        for number in range(6)
        for name in ("ann", "bob")[: 2 if number < 2 else 1]
    ]
    rows[-1]["rejected"] = rows[-1]["chosen"]
    write_jsonl(tmp_path / "votes.jsonl", rows)
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    for terminal in (console.out, console.err):
        monkeypatch.setattr(terminal, "width", 80)
    result = CliRunner().invoke(app, ["run"])
    assert result.exit_code == 0, result.output
    return result.output


def test_merged_dropped_and_flipped_are_three_things(printed: str) -> None:
    assert "5 of 8 pairs are kept; 2 merged into others; 1 dropped, by" in printed
    cells = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line.strip()}
    assert cells["consensus"] == ["8", "2", "6"]
    assert cells["identical_answers"] == ["6", "1", "5"]
    assert cells["flip_where"] == ["5", "1", "5"]
    assert cells["all"] == ["8", "2", "1", "1", "5"]
    assert "without effect: ties" in printed


def test_lines_fit_and_the_next_command_has_real_paths(printed: str) -> None:
    lines = printed.splitlines()
    # Commands and paths are to be copied, so they are never broken.
    assert max(len(line) for line in lines if "curate " not in line) <= 80
    assert any(line.strip() == "curate review curated-drawn" for line in lines)


def test_warnings_stand_under_their_step_and_each_once() -> None:
    steps = [
        StepRecord("a", "score", 9, 9, 0.0, warnings=("x", "y")),
        StepRecord("b", "filter", 9, 9, 0.0, warnings=("x",), alerts=("z",)),
        StepRecord("c", "filter", 9, 9, 0.0, warnings=("x",)),
    ]
    assert warnings_by_step(steps) == [("a", (), ("x", "y")), ("b", ("z",), ())]
    assert all_warnings(steps) == ["z", "x", "y"]


def test_near_equal_warnings_are_one_with_the_names_of_their_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(console.err, "width", 80)
    steps = [
        StepRecord("a", "score", 9, 9, 0.0, warnings=("agree with 51% of 9 labels", "other")),
        StepRecord("b", "score", 9, 9, 0.0, warnings=("agree with 60.5% of 1,234 labels",)),
        StepRecord("c", "filter", 9, 9, 0.0, alerts=("'c': first\n  - {x: 1}    # its effect",)),
    ]
    with console.err.capture() as capture:
        show_step_warnings(steps)
    assert capture.get().splitlines() == [
        "warning: c",
        "  - first",
        "      # its effect",
        "      - {x: 1}",
        "warning: a, b",
        "  - agree with 51% of 9 labels",
        "warning: a",
        "  - other",
    ]


@pytest.mark.parametrize(
    ("facts", "is_moot"),
    [
        ({}, False),
        ({"judged_pairs": 50}, True),
        ({"evidence": [{"text": "a judge: right in 80 %"}]}, True),
        ({"flip_rate": {"low": 0.1, "high": 0.2}, "learnt": LEARNT}, True),
        ({"flip_rate": {"low": 0.1, "high": 0.2}, "learnt": LEARNT_NOTHING}, False),
    ],
)
def test_that_heads_learn_nothing_is_moot_where_something_else_knows_labels(
    facts: dict[str, object], is_moot: bool
) -> None:
    warning = (
        f"{TEXT}, which may be chance: heads learn nothing from these labels, and no score by them "
        "tells right labels from wrong ones"
    )
    facts_of_heads = {"learnt": LEARNT_NOTHING}
    steps = [
        StepRecord("reward_margin", "score", 9, 9, 0.0, facts_of_heads, (warning, "another")),
        StepRecord("label_em", "score", 9, 9, 0.0, facts),
    ]
    assert all_warnings(steps) == (["another"] if is_moot else [warning, "another"])
