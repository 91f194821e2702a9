"""Whatever verb reads a data set tells which rows held no pair, and what it noted of the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate import read_pairs
from curate.cli.app import app
from curate.cli.inputs import DatasetOptions
from curate.steps.context import SilentProgress
from tests.helpers import trl_rows, write_jsonl

_WRONG = {"prompt": "question", "chosen": "an answer", "rejected": None}
_TOLD = "1 rows without a pair were skipped: "
_ROW = "row 3: the rejected answer is missing"


def damaged(path: Path, rows: int = 8) -> Path:
    """Rows of which the third lacks an answer; nothing ends the last line."""
    intact: list[Any] = trl_rows(rows)
    intact[2] = _WRONG
    write_jsonl(path, intact)
    path.write_text(path.read_text().replace("good answer 0", "cut \\ud800"))
    return path


@pytest.mark.parametrize(
    "verb",
    [
        ["inspect"],
        ["inspect", "--json"],
        ["export", "-o", "OUT", "--on-error", "skip"],
        ["merge", "VERDICTS", "-o", "OUT"],
        pytest.param(["audit", "-o", "OUT"], marks=pytest.mark.slow),
        pytest.param(["explain", "-o", "OUT"], marks=pytest.mark.slow),
        pytest.param(["worth", "--seeds", "2"], marks=pytest.mark.slow),
        pytest.param(["bench", "--noise", "none", "--seeds", "1"], marks=pytest.mark.slow),
    ],
)
def test_every_verb_tells_what_is_left_out(tmp_path: Path, verb: list[str]) -> None:
    data = damaged(tmp_path / "rows.jsonl", 260)
    pair = read_pairs(str(data), on_error="skip").frame["pair_id"][0]
    verdict = {"pair_id": pair, "reviewer": "ann", "verdict": "flip"}
    output = write_jsonl(tmp_path / "verdicts.jsonl", [verdict])
    named = {"OUT": str(tmp_path / "out"), "VERDICTS": str(output)}
    first, *options = (named.get(part, part) for part in verb)
    done = CliRunner().invoke(app, [first, str(data), *options])
    assert done.exit_code == 0, (done.output, done.exception)
    result = " ".join(done.output.split())
    for line in (_TOLD, _ROW, "1 rows contain invalid Unicode"):
        assert result.count(line) == 1, result


@pytest.mark.parametrize("way", ["read", "sample", "parts"])
def test_data_of_the_command_line_is_told_once(
    tmp_path: Path, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = DatasetOptions(str(damaged(tmp_path / "rows.jsonl")))
    if way == "read":
        assert len(dataset.read(SilentProgress())) == 7
    elif way == "sample":
        assert len(dataset.sample(SilentProgress(), 4)) == 4
    else:
        assert sum(map(len, dataset.stream(SilentProgress(), tmp_path))) == 7
    notes = " ".join(capsys.readouterr().err.split())
    assert notes.count(_TOLD) == notes.count(_ROW) == notes.count("invalid Unicode") == 1


def test_many_rows_are_told_by_their_number_and_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_jsonl(tmp_path / "rows.jsonl", [*trl_rows(4), *[_WRONG] * 1234])
    DatasetOptions(str(data)).read(SilentProgress())
    notes = " ".join(capsys.readouterr().err.split())
    assert "1,234 rows without a pair were skipped" in notes
    assert "row 5: " in notes
    assert "row 7: " in notes
    assert "row 8: " not in notes
    assert "and 1,231 more" in notes


def test_a_run_has_told_it_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = damaged(tmp_path / "rows.jsonl")
    (tmp_path / "p.yaml").write_text(
        f"input: {{path: {data}, on_error: skip}}\n"
        f"output: {{path: {tmp_path / 'out'}, report: false}}\n"
    )
    done = CliRunner().invoke(app, ["run", str(tmp_path / "p.yaml")])
    output = " ".join(done.output.split())
    assert output.count(_TOLD) == output.count(_ROW) == 1
    DatasetOptions(str(tmp_path / "out")).read(SilentProgress())
    assert capsys.readouterr().err == ""


def test_a_round_tells_of_the_pool_and_of_gold_pairs(tmp_path: Path) -> None:
    gold = damaged(tmp_path / "gold.jsonl", 40)
    pool = [
        {"prompt": f"p {i}", "system": "Be brief.", "responses": [f"a {i}", f"b {i}"], "tools": [t]}
        for i, t in enumerate(["", {"name": "f"}] * 10)
    ]
    data = write_jsonl(tmp_path / "pool.jsonl", [*pool, "{"])
    out = tmp_path / "round"
    done = CliRunner().invoke(app, ["round", str(data), "--gold", str(gold), "-o", str(out)])
    assert done.exit_code == 0, (done.output, done.exception)
    output = " ".join(done.output.split())
    assert _ROW in output
    assert "20 rows have 'tools', which the derived pairs do not keep" in output
    assert "1 rows without a prompt and answers: row: " in output


@pytest.mark.parametrize("source", ["feedback", "instructions"])
def test_derive_tells_what_it_reads(tmp_path: Path, source: str) -> None:
    talk = [
        {"role": "user", "content": "Name a fruit."},
        {"role": "assistant", "content": "A carrot."},
        {"role": "user", "content": "No, that is wrong. Try again."},
        {"role": "assistant", "content": "An apple."},
        {"role": "user", "content": "Thanks, that is perfect!"},
    ]
    rows = [{"messages": talk, "system": "Be kind.", "images": ["a.png"]}, "{"]
    if source == "instructions":
        data = damaged(tmp_path / "rows.jsonl")
    else:
        data = write_jsonl(tmp_path / "rows.jsonl", rows)
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["derive", str(data), "-o", str(out), "--from", source])
    if source == "instructions":
        assert _ROW in " ".join(done.output.split())
        return
    assert done.exit_code == 0, (done.output, done.exception)
    assert "1 rows have 'images'" in " ".join(done.output.split())
    assert "1 without a pair: row: " in done.output
    output = CliRunner().invoke(app, ["inspect", str(out / "pairs"), "--json"])
    assert json.loads(output.output)["first_pair"]["prompt"].startswith("system: Be kind.")
