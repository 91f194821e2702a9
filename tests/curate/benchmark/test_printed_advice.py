"""What a bench prints runs as printed: every step, for several data sets."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from curate.benchmark.actions import ACTIONS, pipeline_lines
from curate.cli.app import app
from curate.cli.bench import _pipeline_sections
from curate.cli.inputs import DatasetOptions
from tests.helpers import PANDALM_SAMPLE, write_jsonl

WORDS = ["plain", "answer", "rivers", "maps", "trains", "bread", "light", "paper", "stone", "clock"]


def answer(rng: np.random.Generator, length: int) -> str:
    return " ".join(rng.choice(WORDS, length))


def noisy_file(folder: Path, count: int, flips: float, names: tuple[str, str, str]) -> Path:
    """Longer answers are right; labels are flipped, as by an annotator who likes short ones."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        long, short = answer(rng, 40 + number % 7), answer(rng, 8 + number % 5)
        chosen, rejected = (short, long) if rng.random() < flips else (long, short)
        values = (f"question {number} on {answer(rng, 3)}", chosen, rejected)
        rows.append(dict(zip(names, values, strict=True)))
    return write_jsonl(folder / "pairs.jsonl", rows)


def verdicts(folder: Path, pairs: pl.DataFrame) -> Path:
    """Thirty verdicts of one reviewer."""
    rows = [
        {"pair_id": pair_id, "reviewer": "ann", "verdict": "keep" if number % 5 else "flip"}
        for number, pair_id in enumerate(pairs["pair_id"][:30])
    ]
    return write_jsonl(folder / "verdicts.jsonl", rows)


def run_lines(lines: str, folder: Path) -> dict[str, object]:
    """The manifest of a run of printed lines, whose output goes to a folder of the test."""
    output = yaml.safe_dump({"output": {"path": str(folder / "out"), "format": "trl"}})
    text = lines[: lines.index("output:")] + output
    (folder / "pipeline.yaml").write_text(text, encoding="utf-8")
    result = CliRunner().invoke(app, ["run", str(folder / "pipeline.yaml")])
    assert result.exit_code == 0, result.output
    manifest: dict[str, object] = json.loads((folder / "out" / "manifest.json").read_text())
    return manifest


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_every_step_runs_as_printed(action: object, tmp_path: Path) -> None:
    data = noisy_file(tmp_path, 150, 0.3, ("prompt", "chosen", "rejected"))
    lines = pipeline_lines(action, _pipeline_sections(DatasetOptions(str(data)), [], "static"))  # type: ignore[arg-type]
    assert run_lines(lines, tmp_path)["rows"]


def with_judgements(path: Path, count: int) -> None:
    """Rewrite a file with a judgement of its first rows."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    judged_rows = [
        row | {"expert": "right" if i % 3 else "wrong"} for i, row in enumerate(rows[:count])
    ]
    write_jsonl(path, judged_rows + rows[count:])


def judge_as_printed(next_step: str, folder: Path) -> None:
    """The first command draws pairs, and the last one reads the same data with their verdicts."""
    _, route, _, again = (shlex.split(line) for line in next_step.splitlines())
    draw = folder / "drawn"
    route[route.index("--output") + 1] = str(draw)
    result = CliRunner().invoke(app, route[1:])
    assert result.exit_code == 0, result.output
    assert again[:2] == ["curate", "bench"]
    assert again[2:-4] == route[2:-4]


CASES = {
    "the sample": (),
    "columns by name": ("--columns", "prompt=q,chosen=good,rejected=bad"),
    "labels by length alone": (),
    "judged pairs": ("--gold",),
    "judged in a column": ("--gold", "extra.expert"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_advice_runs_as_printed(case: str, tmp_path: Path) -> None:
    options = list(CASES[case])
    names = ("q", "good", "bad") if case == "columns by name" else ("prompt", "chosen", "rejected")
    data = PANDALM_SAMPLE if case == "the sample" else noisy_file(tmp_path, 200, 0.3, names)
    if case == "judged in a column":
        with_judgements(data, 30)
    if case == "judged pairs":
        from curate.read.pairs import read_pairs

        options.append(str(verdicts(tmp_path, read_pairs(str(data)).frame)))
    bench = [
        "bench", str(data), "--noise", "none", "--seeds", "2", "--embedder", "static", *options,
        "-o", str(tmp_path / "bench"),
    ]  # fmt: skip
    result = CliRunner().invoke(app, bench)
    assert result.exit_code == 0, result.output
    (advice,) = json.loads((tmp_path / "bench" / "bench.json").read_text())["advice"]
    assert advice["method"] is not None
    # Every line is printed, so that it can be copied from the terminal.
    printed = " ".join(result.output.split())
    for line in advice["lines"].splitlines():
        assert " ".join(line.split()) in printed
    assert run_lines(advice["lines"], tmp_path)["rows"]
    if case.startswith("judged"):
        assert advice["next_step"] == ""
        assert "30 reviewed pairs count as ground truth" in printed
    elif not advice["proven"]:
        judge_as_printed(advice["next_step"], tmp_path)
